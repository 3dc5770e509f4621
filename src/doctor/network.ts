/** Probes of what the gateway needs from the network: names, the clock, the issuer of certificates, the store, GitHub. */

import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { Agent, fetch } from 'undici';
import { type GatewayConfig, isLoopback } from '../config.ts';
import { hostsOf } from '../hosts.ts';
import { silent } from '../log.ts';
import { openStore } from '../store/open-store.ts';
import type { IssuerConfig } from '../tls/config.ts';
import { type Finding, fault, ok, reasonOf, warning } from './finding.ts';

/** Milliseconds for each answer. */
const patience = 10_000;
/** Milliseconds; the gateway itself waits for as long as it takes. */
const storePatience = 4000;
/** Seconds. Tokens and certificates bear a small difference; codes and signed questions do not bear a large one. */
const skewNoticed = 30;
const skewHarmful = 120;

export async function network(config: GatewayConfig): Promise<Finding[]> {
  const all = await Promise.all([names(config), storeReachable(config), acmeDirectories(config), githubApp(config)]);
  return all.flat();
}

async function names(config: GatewayConfig): Promise<Finding[]> {
  const hosts = hostsOf(config).filter(
    (host) => !host.startsWith('*') && !isLoopback(host) && isIP(host.replace(/^\[|\]$/g, '')) === 0,
  );
  return Promise.all(
    hosts.map(async (host) => {
      const what = `DNS of ${host}`;
      try {
        const found = (await lookup(host, { all: true })).map(({ address }) => address);
        const local = found.filter((address) => isLoopback(address) || address === '::1');
        if (local.length > 0)
          return warning(what, `leads to this machine itself (${local.join(', ')}); others need a public address`);
        return ok(what, found.join(', '));
      } catch (error) {
        const { code } = reasonOf(error);
        const none = code === 'ENOTFOUND' || code === 'ENODATA';
        return fault(
          what,
          none
            ? 'has no address; add an A or AAAA record that points to this host'
            : `could not be asked (${code}); see /etc/resolv.conf`,
        );
      }
    }),
  );
}

/** A file is opened by the gateway's own user alone: opening it here could leave it to somebody else. */
async function storeReachable(config: GatewayConfig): Promise<Finding[]> {
  if (!config.store.startsWith('redis')) return [];
  const what = `store ${config.store.replace(/\/\/[^@/]*@/, '//')}`;
  try {
    // A key of no meaning: only whether it can be asked is of interest, and nothing is sealed with it.
    await using store = await openStore(config.store, {
      log: silent,
      storeKey: config.storeKey,
      stateDir: config.stateDir,
      patience: storePatience,
    });
    await store.get('check:');
    return [ok(what, 'answers')];
  } catch (error) {
    return [fault(what, `${reasonOf(error).text}; start it, or correct "store"`)];
  }
}

async function acmeDirectories({ tls }: GatewayConfig): Promise<Finding[]> {
  if (tls?.acme === undefined) return [];
  const issuers = [
    { path: 'tls.acme', issuer: tls.acme },
    ...(tls.acme.fallback ? [{ path: 'tls.acme.fallback', issuer: tls.acme.fallback }] : []),
  ];
  return (await Promise.all(issuers.map(({ path, issuer }) => acmeDirectory(path, issuer)))).flat();
}

async function acmeDirectory(path: string, { directory, caFile, eab, profile }: IssuerConfig): Promise<Finding[]> {
  const what = `ACME directory ${directory}`;
  let agent: Agent | undefined;
  try {
    agent = new Agent(caFile === undefined ? {} : { connect: { ca: readFileSync(caFile, 'utf8') } });
    const response = await fetch(directory, { dispatcher: agent, signal: AbortSignal.timeout(patience) });
    const body = (await response.json().catch(() => undefined)) as Directory | undefined;
    // RFC 8555 §7.1.1.
    if (typeof body?.newOrder !== 'string')
      return [fault(what, `answers ${response.status} and is no ACME directory; correct ${path}.directory`)];
    const skew = clock('the ACME issuer', response.headers.get('date'));
    const { externalAccountRequired, profiles } = body.meta ?? {};
    if (externalAccountRequired === true && eab === undefined)
      return [fault(what, `wants an account you have with it; set ${path}.eab`), ...skew];
    if (profile !== undefined && profiles !== undefined && !Object.hasOwn(profiles, profile)) {
      const offered = Object.keys(profiles).join(', ');
      return [fault(what, `knows no profile ${profile}, only ${offered}; correct ${path}.profile`), ...skew];
    }
    return [ok(what, 'answers'), ...skew];
  } catch (error) {
    const { code, text } = reasonOf(error);
    const untimely = code === 'CERT_NOT_YET_VALID' || code === 'CERT_HAS_EXPIRED';
    const mend = untimely ? 'set the clock of this machine right' : `let this host connect to it, or correct ${path}`;
    return [fault(what, `${text}; ${mend}`)];
  } finally {
    await agent?.destroy();
  }
}

/** RFC 8555 §7.1.1 */
interface Directory {
  readonly newOrder?: unknown;
  readonly meta?: { readonly externalAccountRequired?: unknown; readonly profiles?: object };
}

/**
 * GitHub says what is wrong with an app only to whoever redeems a code; a code that cannot exist gets that far and no
 * further. Its answers are errors with status 200.
 */
async function githubApp({ auth, publicUrl }: GatewayConfig): Promise<Finding[]> {
  const { github } = auth.login;
  if (github === undefined || publicUrl === undefined) return [];
  const what = `GitHub app ${github.clientId}`;
  const callback = new URL('/callback', publicUrl).href;
  try {
    const response = await fetch(`${github.webUrl}/login/oauth/access_token`, {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        client_id: github.clientId,
        client_secret: github.clientSecret,
        code: 'mcp-gateway-check',
        redirect_uri: callback,
      }).toString(),
      signal: AbortSignal.timeout(patience),
    });
    const { error } = (await response.json().catch(() => ({}))) as { error?: string };
    const skew = clock('GitHub', response.headers.get('date'));
    if (error === 'bad_verification_code') return [ok(what, `knows us; its callback URL must be ${callback}`), ...skew];
    const mend: Record<string, string> = {
      redirect_uri_mismatch: `has another callback URL; set it to ${callback} in the settings of the app`,
      incorrect_client_credentials: 'does not know this client id with this secret; correct auth.login.github',
    };
    return [
      fault(what, mend[error ?? ''] ?? `answers ${response.status} ${error ?? ''}; correct auth.login.github`),
      ...skew,
    ];
  } catch (error) {
    return [fault(what, `${github.webUrl}: ${reasonOf(error).text}; let this host connect to it`)];
  }
}

/** RFC 9110 §6.6.1: an answer's Date is when it was made, in whole seconds. */
export function clock(whose: string, date: string | null): Finding[] {
  const theirs = Date.parse(date ?? '');
  if (Number.isNaN(theirs)) return [];
  const skew = Math.round((Date.now() - theirs) / 1000);
  if (Math.abs(skew) < skewNoticed) return [];
  const what = `clock, by ${whose}`;
  const detail = `is ${Math.abs(skew)} seconds ${skew > 0 ? 'ahead' : 'behind'}; turn on time synchronisation (timedatectl set-ntp true)`;
  return [Math.abs(skew) < skewHarmful ? warning(what, detail) : fault(what, detail)];
}
