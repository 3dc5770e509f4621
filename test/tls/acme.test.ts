import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { Agent, request } from 'undici';
import { type Kept, keepCertificates } from '../support/kept-certificates.ts';
import { noPebble, type Pebble, startPebble } from '../support/pebble.ts';
import { type Finished, type Program, runProgram, startProgram } from '../support/program.ts';
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
      if (challenge === 'tls-alpn-01') await renewUnseen(program, pebble, directory.path, hosts);
      assert.equal(await program.stop(), 0);
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

  test('RFC 8555 §7.1.3: dns-01 gets a wildcard, and the name above it, which is proved by the same record', async () => {
    await using issued = await issuing(pebble, ['*.w.example.test', 'w.example.test']);
    await issued.look();
    assert.deepEqual(
      issued.served.map(({ names }) => names),
      [['*.w.example.test'], ['w.example.test']],
    );
  });

  test('a name the issuer refuses is told with its mend, and waits', async () => {
    await using issued = await issuing(pebble, ['blocked.example.test']);
    await assert.rejects(issued.renew(), { type: 'rejectedIdentifier' });
    const [status] = issued.status();
    assert.match(status?.problem ?? '', /choose another issuer/);
    assert.ok((status?.nextTry ?? 0) > Date.now());
  });

  test('RFC 8555 §7.3.1: an account that the issuer has forgotten is made anew', async () => {
    await using issued = await issuing(pebble, ['again.example.test']);
    await issued.look();
    const [first] = issued.served;
    await pebble.restart();
    await issued.renew();
    const [second] = issued.served;
    assert.ok(first);
    assert.notEqual(second?.serial, first?.serial);
  });
});

test('RFC 8555 §7.3.4: an account is bound to the one the issuer knows', { skip }, async () => {
  const eab = { kid: 'kid-1', hmacKey: 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W' };
  await using pebble = await startPebble({ eab });
  await using bound = await issuing(pebble, ['eab.example.test'], { eab });
  await bound.look();
  assert.equal(bound.served.length, 1);
  await using unbound = await issuing(pebble, ['none.example.test']);
  await assert.rejects(unbound.renew(), { type: 'externalAccountRequired' });
});

test('an issuer that is down is told within its time, and the gateway stops at once while it hangs', {
  skip,
}, async () => {
  await using pebble = await startPebble();
  pebble.pause();
  const issued = await issuing(pebble, ['down.example.test']);
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
  for (;;) {
    assert.equal(program.process.exitCode, null, program.errors());
    try {
      return await handshake(pebble, host);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function handshake(pebble: Pebble, host: string): Promise<X509Certificate> {
  const ca = await pebble.root();
  const socket = connect({ host: '127.0.0.1', port: pebble.tlsPort, servername: host, ca });
  try {
    await once(socket, 'secureConnect');
    return new X509Certificate(socket.getPeerCertificate().raw);
  } finally {
    socket.destroy();
  }
}

/** RFC 8737 §3: while the issuer gets its proof on the same port, clients get the old certificate or the new one. */
async function renewUnseen(program: Program, pebble: Pebble, stateDir: string, hosts: readonly string[]) {
  const former = await Promise.all(hosts.map((host) => shown(program, pebble, host)));
  let renewed: Finished | undefined;
  const renewal = runProgram(['cert', 'renew', '--state-dir', stateDir, '--json']).then((finished) => {
    renewed = finished;
  });
  const seen = new Map(hosts.map((host) => [host, new Set<string>()]));
  while (renewed === undefined)
    for (const host of hosts) seen.get(host)?.add((await handshake(pebble, host)).serialNumber);
  await renewal;
  assert.equal(renewed.code, 0, renewed.stderr);
  for (const [index, host] of hosts.entries()) {
    const { serialNumber } = await shown(program, pebble, host);
    assert.notEqual(serialNumber, former[index]?.serialNumber);
    const strange = [...(seen.get(host) ?? [])].filter(
      (serial) => serial !== serialNumber && serial !== former[index]?.serialNumber,
    );
    assert.deepEqual(strange, []);
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

/** Looked after as the gateway does, by dns-01 where nothing else is said. */
function issuing(pebble: Pebble, hosts: readonly string[], acme: object = {}): Promise<Kept> {
  const slice = { challenge: 'dns-01', dnsCommand: pebble.dnsCommand, ...acme };
  return keepCertificates(pebble, { hosts, acme: slice });
}
