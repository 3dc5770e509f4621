/** The console: one page where administrators see what the running gateway does, and change what the operations allow. */

import type { LogFields, LogLevel } from '../log.ts';
import { type Answer, type Exchange, type Reply, type Route, refusal } from '../router/handler.ts';
import { assets } from './assets.ts';
import type { Administrator, Door } from './door.ts';
import { live } from './live.ts';
import { logTail } from './log-tail.ts';
import { failure, jsonObject, type Operations } from './operations.ts';
import { type Ended, interval, samples } from './samples.ts';
import type { Status } from './state.ts';

export interface Console extends AsyncDisposable {
  /** Told of every request that ended. */
  observe(ended: Ended): void;
  /** Told of every event, with fields that may hold secrets. */
  hear(level: LogLevel, event: string, fields: LogFields): void;
  /** From now on samples are taken. */
  begin(sources: Sources): void;
  routes(door: Door): Route[];
  /** Ends every stream of events; the pages come back and are looked at anew. */
  renew(): void;
  /** Ends every stream of events, so that a gateway which is about to stop need not wait for them. */
  quiesce(): void;
}

export interface Sources {
  status(): Promise<Status>;
  readonly operations: Operations;
}

/** What the page may ask for. Nothing here opens anything: tokens and passwords are made on the command line alone. */
const views: Readonly<Record<string, string>> = {
  clients: 'GET /clients',
  grants: 'GET /grants',
  tokens: 'GET /tokens',
  users: 'GET /users',
  keys: 'GET /keys',
  timeline: 'GET /timeline',
};

/** What the page may change. */
const actions: Readonly<Record<string, string>> = {
  'revoke-grant': 'DELETE /grants/*',
  'delete-client': 'DELETE /clients/*',
  'revoke-token': 'DELETE /tokens/*',
  'remove-user': 'DELETE /users/*',
  'renew-certificate': 'POST /certificates/renew',
  'rotate-keys': 'POST /keys/rotate',
  reload: 'POST /reload',
};

/** After these there may be other clients, grants or tokens than before. */
const changing = new Set([
  'client registered',
  'client deleted',
  'token issued',
  'grant revoked',
  'access taken back',
  'personal token revoked',
  'administrator acted',
]);

/** No server has a slash in its name. */
const ownRoute = '/console';

/** Bytes; every action is told with a name and a word or two. */
const longestBody = 16 * 1024;

/** `level` is the least important one that the log tail keeps. */
export function openConsole(level: LogLevel): Console {
  const files = assets();
  const numbers = samples();
  const tail = logTail(level);
  let sources: Sources | undefined;
  let changes = 0;
  let timer: NodeJS.Timeout | undefined;

  const running = (): Sources => {
    if (sources === undefined) throw refusal(503, 'temporarily_unavailable', 'the gateway is starting');
    return sources;
  };
  const known = (table: Readonly<Record<string, string>>): string[] =>
    Object.entries(table).flatMap(([name, operation]) => (sources?.operations[operation] === undefined ? [] : [name]));
  const stream = live({
    tail,
    beginning: ({ username, csrf }) => ({
      administrator: username,
      csrf,
      views: known(views),
      interval,
      samples: numbers.taken(),
    }),
    state: async () => ({ now: Date.now(), changes, status: await running().status() }),
  });

  async function view(name: string): Promise<Reply> {
    const operation = running().operations[views[name] ?? ''];
    if (operation === undefined) throw refusal(404, 'not_found', 'the gateway has no such operation');
    return { status: 200, headers: noStore, body: await operation({ name: '', body: {} }) };
  }

  async function act(exchange: Exchange, action: string, { subject }: Administrator): Promise<Reply> {
    const key = actions[action] ?? '';
    const operation = running().operations[key];
    if (operation === undefined) throw refusal(404, 'not_found', 'the gateway has no such operation');
    const { name, ...body } = jsonObject(await exchange.body(longestBody));
    if (key.endsWith('*') && (typeof name !== 'string' || name === ''))
      throw refusal(400, 'invalid_request', 'name says what this is about, and is missing');
    const about = typeof name === 'string' ? name : undefined;
    try {
      const done = await operation({ name: about ?? '', body });
      exchange.log.info('administrator acted', { action, name: about, subject });
      return { status: 200, headers: noStore, body: done };
    } catch (error) {
      exchange.log.warn('administrator could not act', { action, name: about, subject, error });
      throw failure(error);
    }
  }

  async function answer(exchange: Exchange, door: Door): Promise<Answer> {
    const { path, req } = exchange;
    const name = path.slice('/console/'.length);
    const changes = Object.hasOwn(actions, name);
    if (changes ? req.method !== 'POST' : req.method !== 'GET' && req.method !== 'HEAD')
      throw refusal(405, 'invalid_request', changes ? 'use POST' : 'use GET', {
        headers: { allow: changes ? 'POST' : 'GET, HEAD' },
      });
    if (changes) return act(exchange, name, await door.approve(exchange));
    if (name === '') {
      const found = await door.enter(exchange);
      return 'status' in found ? found : asset('page.html', found.headers);
    }
    const administrator = await door.check(exchange);
    if (files.has(name)) return asset(name, {});
    if (name !== 'live') return view(name);
    if (req.method === 'HEAD') return { status: 200, headers: { ...noStore, 'content-type': 'text/event-stream' } };
    return stream.open(exchange, administrator, door);
  }

  function asset(name: string, headers: Administrator['headers']): Reply {
    const { body = '', contentType = '' } = files.get(name) ?? {};
    return { status: 200, headers: { ...fileHeaders, ...headers, 'content-type': contentType }, body };
  }

  return {
    // It does not watch itself.
    observe: (ended) => ended.route === ownRoute || numbers.observe(ended),
    hear(level, event, fields) {
      if (fields.route !== ownRoute) tail.hear(level, event, fields);
      if (changing.has(event)) changes += 1;
    },
    begin(from) {
      sources = from;
      const take = async () => stream.tell(numbers.take(await from.status()));
      // A sample that cannot be taken is a gap in a plot, and the next one comes in five seconds.
      timer = setInterval(() => take().catch(() => {}), interval * 1000);
    },
    routes(door) {
      const names = [...files.keys(), ...Object.keys(views), ...Object.keys(actions), 'live'];
      const paths = ['/console', '/console/', ...names.map((name) => `/console/${name}`)];
      return [
        {
          name: ownRoute,
          rule: `(${paths.map((path) => `Path(\`${path}\`)`).join(' || ')})`,
          guarded: false,
          target: 'administrators',
          service: (exchange) => answer(exchange, door),
        },
      ];
    },
    renew: stream.renew,
    quiesce: stream.quiesce,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await stream[Symbol.asyncDispose]();
    },
  };
}

const noStore = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

/** All the page does stays here; nobody frames it (RFC 9700 §4.16), and no text can become markup by way of a script. */
const fileHeaders = {
  ...noStore,
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};
