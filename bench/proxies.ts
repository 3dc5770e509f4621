/** What people put in front of a server that speaks HTTP: each proxy on one core as its own manual says, no access log. */

import { freePort } from '../test/support/free-port.ts';
import { type Running, start } from './process.ts';
import { program, type Workshop } from './workshop.ts';

export interface StandingProxy extends Running {
  readonly port: number;
}

/** Ports of the server behind, and of the one that answers every question of a proxy whether to let a request in. */
export interface Behind {
  readonly upstream: number;
  readonly verifier: number;
}

interface Kind {
  readonly program: string;
  start(shop: Workshop, path: string, port: number, behind: Behind, secure: boolean): Promise<Running>;
}

const reply = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text: 'x'.repeat(126) }] } });

/** nginx answers by itself: the quickest server there is to stand behind a proxy. */
export async function answering(shop: Workshop, status: number): Promise<StandingProxy> {
  const path = program('nginx');
  if (path === undefined) throw new Error('nginx is not installed; it is what answers behind every proxy');
  const port = await freePort();
  const body = status === 200 ? `default_type application/json; return 200 '${reply}';` : `return ${status};`;
  const server = `server { listen 127.0.0.1:${port} reuseport; location / { ${body} } }`;
  return { ...(await nginx(shop, path, port, server)), port };
}

const nginxProxy = (auth: boolean): Kind => ({
  program: 'nginx',
  start(shop, path, port, { upstream, verifier }, secure) {
    const { cert, key } = shop.certificate;
    const pass = (to: string) => `proxy_pass http://${to}; proxy_http_version 1.1; proxy_set_header Connection "";`;
    const asked = `location = /verify { internal; ${pass('verifier')} proxy_pass_request_body off; proxy_set_header Content-Length ""; }`;
    return nginx(
      shop,
      path,
      port,
      `upstream behind { server 127.0.0.1:${upstream}; keepalive 128; }
       upstream verifier { server 127.0.0.1:${verifier}; keepalive 128; }
       server { listen 127.0.0.1:${port}${secure ? ' ssl' : ''};
         ${secure ? `ssl_certificate ${cert}; ssl_certificate_key ${key};` : ''}
         ${auth ? asked : ''}
         location / { ${auth ? 'auth_request /verify;' : ''} ${pass('behind')} } }`,
    );
  },
});

async function nginx(shop: Workshop, path: string, port: number, server: string): Promise<Running> {
  const own = `${shop.directory}/nginx-${port}`;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${own}-${name};`,
  );
  const file = shop.file(
    `nginx-${port}.conf`,
    `daemon off; worker_processes 1; pid ${own}.pid; error_log ${own}.log;
     ${process.getuid?.() === 0 ? 'user root;' : ''}
     events { worker_connections 4096; }
     http { access_log off; keepalive_requests 100000000; keepalive_timeout 600; ${temporary.join(' ')} ${server} }`,
  );
  return start(path, ['-c', file, '-e', `${own}.log`], { port });
}

const haproxy: Kind = {
  program: 'haproxy',
  start(shop, path, port, { upstream }, secure) {
    const file = shop.file(
      `haproxy-${port}.cfg`,
      `global
         nbthread 1
       defaults
         mode http
         timeout connect 5s
         timeout client 60s
         timeout server 60s
         http-reuse always
       frontend in
         bind 127.0.0.1:${port} ${secure ? `ssl crt ${shop.certificate.both}` : ''}
         default_backend out
       backend out
         server one 127.0.0.1:${upstream}
`,
    );
    return start(path, ['-f', file], { port });
  },
};

const caddy = (auth: boolean): Kind => ({
  program: 'caddy',
  start(shop, path, port, { upstream, verifier }, secure) {
    const { cert, key } = shop.certificate;
    const file = shop.file(
      `caddy-${port}`,
      `{
         admin off
         auto_https off
         default_sni localhost
         storage file_system ${shop.directory}/caddy
       }
       ${secure ? 'https' : 'http'}://127.0.0.1:${port} {
         bind 127.0.0.1
         ${secure ? `tls ${cert} ${key}` : ''}
         ${auth ? `forward_auth 127.0.0.1:${verifier} {\n uri /verify\n }` : ''}
         reverse_proxy 127.0.0.1:${upstream}
       }
      `,
    );
    const env = { ...process.env, HOME: shop.directory, GOMAXPROCS: '2' };
    return start(path, ['run', '--adapter', 'caddyfile', '--config', file], { port, env });
  },
});

export const proxyKinds = {
  nginx: nginxProxy(false),
  'nginx auth_request': nginxProxy(true),
  haproxy,
  caddy: caddy(false),
  'caddy forward_auth': caddy(true),
} as const;

/** Undefined where the program is not installed. */
export async function proxy(
  shop: Workshop,
  name: keyof typeof proxyKinds,
  behind: Behind,
  secure: boolean,
): Promise<StandingProxy | undefined> {
  const kind = proxyKinds[name];
  const path = program(kind.program);
  if (path === undefined) return undefined;
  const port = await freePort();
  return { ...(await kind.start(shop, path, port, behind, secure)), port };
}
