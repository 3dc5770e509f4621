import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { Agent, request } from 'undici';
import { silent } from '../../src/log.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import { type Certificates, certificates } from '../../src/tls/acme/certificates.ts';
import { challenges } from '../../src/tls/acme/challenges.ts';
import type { Certificate } from '../../src/tls/certificate.ts';
import { tlsConfig } from '../../src/tls/config.ts';
import { noPebble, type Pebble, startPebble } from '../support/pebble.ts';
import { type Program, startProgram } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const skip = process.env.CI === 'true' ? false : noPebble;

describe('a real issuer, with bad nonces', { skip }, () => {
  let pebble: Pebble;
  before(async () => {
    pebble = await startPebble({ badNonces: 20, blocked: ['blocked.example.test'] });
  });
  after(async () => await pebble[Symbol.asyncDispose]());

  for (const challenge of ['http-01', 'tls-alpn-01', 'dns-01'] as const) {
    test(`RFC 8555 §7.4: ${challenge} gets certificates for several hosts while the gateway already serves`, async () => {
      await using directory = await temporaryDirectory();
      const hosts = ['gw.example.test', 'files.example.test'];
      await using program = await startProgram({ config: configFor(pebble, directory.path, challenge, hosts) });
      for (const host of hosts) {
        const certificate = await shown(program, pebble, host);
        assert.equal(certificate.subjectAltName, `DNS:${host}`);
        const answer = await ask(pebble, host, '/livez');
        assert.deepEqual(answer, { status: 200, body: '{"status":"ok"}' });
      }
      const restarted = program.process.pid;
      assert.equal(await program.stop(), 0);
      assert.ok(restarted);
    });
  }

  test('a restart serves the certificate it had, and orders none', async () => {
    await using directory = await temporaryDirectory();
    const config = configFor(pebble, directory.path, 'http-01', ['gw.example.test']);
    const serials: string[] = [];
    for (let run = 0; run < 2; run++) {
      await using program = await startProgram({ config });
      serials.push((await shown(program, pebble, 'gw.example.test')).serialNumber);
    }
    assert.equal(serials[0], serials[1]);
  });

  test('RFC 8555 §7.1.3: dns-01 gets a wildcard', async () => {
    await using issued = await issuing(pebble, { challenge: 'dns-01', domains: ['*.w.example.test'] }, [
      '*.w.example.test',
    ]);
    const [certificate] = await issued.installed();
    assert.deepEqual(certificate?.names, ['*.w.example.test']);
  });

  test('a name the issuer refuses is told with its mend, and waits', async () => {
    await using issued = await issuing(pebble, { challenge: 'dns-01' }, ['blocked.example.test']);
    await assert.rejects(issued.renew(), { type: 'rejectedIdentifier' });
    const [status] = issued.status();
    assert.match(status?.problem ?? '', /choose another issuer/);
    assert.ok((status?.nextTry ?? 0) > Date.now());
  });

  test('RFC 8555 §7.3.1: an account that the issuer has forgotten is made anew', async () => {
    await using issued = await issuing(pebble, { challenge: 'dns-01' }, ['again.example.test']);
    const [first] = await issued.installed();
    await pebble.restart();
    await issued.renew();
    const [second] = await issued.installed();
    assert.notEqual(second?.serial, first?.serial);
  });

  test('two gateways on one store order once', async () => {
    await using store = memoryStore();
    await using one = await issuing(pebble, { challenge: 'dns-01' }, ['shared.example.test'], store);
    await using other = await issuing(pebble, { challenge: 'dns-01' }, ['shared.example.test'], store);
    await one.installed();
    await other.look();
    assert.equal(one.certificates[0]?.serial, other.certificates[0]?.serial);
  });
});

test('RFC 8555 §7.3.4: an account is bound to the one the issuer knows', { skip }, async () => {
  const eab = { kid: 'kid-1', hmacKey: 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W' };
  await using pebble = await startPebble({ eab });
  await using bound = await issuing(pebble, { challenge: 'dns-01', eab }, ['eab.example.test']);
  assert.equal((await bound.installed()).length, 1);
  await using unbound = await issuing(pebble, { challenge: 'dns-01' }, ['none.example.test']);
  await assert.rejects(unbound.renew(), { type: 'externalAccountRequired' });
});

test('an issuer that is down is told within its time, and the gateway stops at once while it hangs', {
  skip,
}, async () => {
  await using pebble = await startPebble();
  pebble.pause();
  const issued = await issuing(pebble, { challenge: 'dns-01' }, ['down.example.test']);
  const renewal = issued.renew();
  await Promise.all([assert.rejects(renewal), issued[Symbol.asyncDispose]()]);
  pebble.resume();
});

function configFor(pebble: Pebble, stateDir: string, challenge: string, [first, ...others]: readonly string[]) {
  return {
    publicUrl: `https://${first}`,
    stateDir,
    entrypoints: { http: { listen: `127.0.0.1:${pebble.httpPort}` }, https: { listen: `127.0.0.1:${pebble.tlsPort}` } },
    tls: {
      acme: {
        directory: pebble.directory,
        caFile: pebble.caFile,
        challenge,
        email: 'ops@example.test',
        ...(challenge === 'dns-01' && { dnsCommand: pebble.dnsCommand }),
      },
    },
    mcpServers: Object.fromEntries(others.map((host, index) => [`s${index}`, { command: 'true', host }])),
  };
}

/** Shakes hands until the host has a certificate that the issuer's root vouches for. */
async function shown(program: Program, pebble: Pebble, host: string): Promise<X509Certificate> {
  const ca = await pebble.root();
  for (;;) {
    assert.equal(program.process.exitCode, null, program.errors());
    const socket = connect({ host: '127.0.0.1', port: pebble.tlsPort, servername: host, ca });
    try {
      await once(socket, 'secureConnect');
      return new X509Certificate(socket.getPeerCertificate().raw);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    } finally {
      socket.destroy();
    }
  }
}

async function ask(pebble: Pebble, host: string, path: string): Promise<{ status: number; body: string }> {
  const lookup = (
    _: string,
    _options: unknown,
    done: (error: null, addresses: { address: string; family: number }[]) => void,
  ) => done(null, [{ address: '127.0.0.1', family: 4 }]);
  const agent = new Agent({ connect: { ca: await pebble.root(), lookup: lookup as never }, allowH2: true });
  try {
    const { statusCode, body } = await request(`https://${host}:${pebble.tlsPort}${path}`, { dispatcher: agent });
    return { status: statusCode, body: await body.text() };
  } finally {
    await agent.destroy();
  }
}

interface Issued extends AsyncDisposable, Pick<Certificates, 'renew' | 'status'> {
  readonly certificates: readonly Certificate[];
  /** Waits for the orders under way. */
  installed(): Promise<readonly Certificate[]>;
  look(): Promise<void>;
}

async function issuing(pebble: Pebble, acme: object, hosts: readonly string[], store = memoryStore()): Promise<Issued> {
  const slice = { directory: pebble.directory, caFile: pebble.caFile, dnsCommand: pebble.dnsCommand, ...acme };
  const config = tlsConfig.parse({ acme: slice }).acme;
  assert.ok(config);
  let current: readonly Certificate[] = [];
  let news = Promise.withResolvers<void>();
  const opened = certificates(config, {
    hosts,
    store,
    log: silent,
    challenges: challenges(config, store),
    changed(all) {
      current = all;
      if (all.length > 0) news.resolve();
    },
  });
  return {
    get certificates() {
      return current;
    },
    async installed() {
      await news.promise;
      return current;
    },
    look: opened.look,
    renew: async (host) => {
      news = Promise.withResolvers();
      await opened.renew(host);
    },
    status: opened.status,
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}
