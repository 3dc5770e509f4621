import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import { startStandIn } from '../support/acme-stand-in.ts';
import { freePort } from '../support/free-port.ts';
import { keepCertificates } from '../support/kept-certificates.ts';
import { noPebble, startPebble } from '../support/pebble.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const skip = process.env.CI === 'true' ? false : noPebble;

/** Why there is no certificate, in the words that `status` shows. */
async function told(issuer: { directory: string; caFile: string }, host: string, acme: object = {}): Promise<string> {
  await using kept = await keepCertificates(issuer, { hosts: [host], acme });
  await kept.look();
  const [{ problem = '', nextTry = 0 } = {}] = kept.status();
  assert.ok(nextTry > Date.now(), 'it is not tried again at once');
  return problem;
}

test('what a real issuer finds is told with its mend', { skip }, async () => {
  await using pebble = await startPebble();
  const say = (name: string, acme?: object) => told(pebble, `${name}.example.test`, acme);

  await pebble.dns('set-servfail', { host: 'nowhere.example.test' });
  assert.match(await say('nowhere'), /could not resolve.*; .*check its A and AAAA records/);
  assert.match(await say('closed'), /connection refused; the issuer must reach this machine.* open port 80 /);
  assert.match(
    await say('closed', { challenge: 'tls-alpn-01' }),
    /Failed to connect.*; the issuer did not find the proof on port 443: check DNS/,
  );

  const other = createServer((_, res) => res.end('hello')).listen(pebble.httpPort, '127.0.0.1');
  await once(other, 'listening');
  assert.match(await say('strange'), /; another machine answered for this name; check its DNS records/);
  other.close();

  const dns = (...dnsCommand: string[]) => ({ challenge: 'dns-01', dnsCommand });
  assert.match(
    await say('unset', dns('true')),
    /; the issuer did not see the TXT record; dnsCommand is to return only/,
  );
  const complains = dns('sh', '-c', 'echo no such zone >&2; exit 1');
  assert.match(
    await say('failing', complains),
    /^dnsCommand set _acme-challenge\.failing\.example\.test: no such zone; run the dnsCommand by hand/,
  );
  assert.match(await say('missing', dns('no-such-program')), /ENOENT; run the dnsCommand by hand/);
});

test('a dnsCommand that hangs ends with the gateway, which does not wait for it', { skip }, async () => {
  await using pebble = await startPebble();
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'pid');
  const script = `[ "$1" = set ] && echo $$ > ${file}.new && mv ${file}.new ${file} && exec sleep 1000`;
  const acme = { challenge: 'dns-01', dnsCommand: ['sh', '-c', script, 'sh'] };
  const kept = await keepCertificates(pebble, { hosts: ['hanging.example.test'], acme });
  while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 20));
  const pid = Number(readFileSync(file, 'utf8'));
  assert.ok(process.kill(pid, 0));
  await kept[Symbol.asyncDispose]();
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
});

for (const { refused, words } of [
  { refused: { status: 400, type: 'dns' }, words: /; make the host name point to this machine/ },
  { refused: { status: 403, type: 'caa' }, words: /^because of caa; a CAA record of this domain forbids this issuer/ },
  { refused: { status: 429, type: 'rateLimited' }, words: /; the issuer wants fewer orders; the gateway waits/ },
  { refused: { status: 403, type: 'externalAccountRequired' }, words: /; this issuer wants tls\.acme\.eab$/ },
  { refused: { status: 400, type: 'invalidProfile' }, words: /; correct tls\.acme\.profile$/ },
  { refused: { status: 403, type: 'userActionRequired' }, words: /; do what the issuer asks for at the address/ },
  { refused: { status: 500, type: 'serverInternal' }, words: /; the issuer has trouble of its own/ },
]) {
  test(`RFC 8555 §6.7: ${refused.type} is told with its mend`, async () => {
    await using issuer = await startStandIn();
    issuer.refuse(refused.status, refused.type);
    assert.match(await told(issuer, 'gw.example.test'), words);
  });
}

test('an issuer that is away, is not trusted or lives in another time is told with its mend', async () => {
  await using issuer = await startStandIn();
  const away = { ...issuer, directory: `https://localhost:${await freePort()}/directory` };
  assert.match(await told(away, 'gw.example.test'), /did not answer: ECONNREFUSED; check that this host reaches/);
  await using stranger = await startStandIn();
  const untrusted = { directory: stranger.directory, caFile: issuer.caFile };
  assert.match(
    await told(untrusted, 'gw.example.test'),
    /; name the authority of the issuer’s own server in tls\.acme/,
  );
  const clock = mock.method(Date, 'now', () => performance.timeOrigin + performance.now() - 365 * 86_400_000);
  await using past = await startStandIn();
  clock.mock.restore();
  assert.match(await told(past, 'gw.example.test'), /CERT_HAS_EXPIRED; set the clock of this machine right/);
});
