/** The connection to a Redis, kept up: standalone, found by sentinels, or a cluster. */

import { readFileSync } from 'node:fs';
import { Cluster, Redis } from 'ioredis';
import type { RedisAddress } from './redis-url.ts';

export type RedisClient = Redis | Cluster;

/** Milliseconds for one command, and for a socket to say anything while one waits: below the 5 s of the store's contract. */
const commandTimeout = 3000;
const connectTimeout = 3000;
const longestPause = 1000;

/** Begins to connect and goes on trying for ever. Throws where the file of `ca=` cannot be read. */
export function connectRedis(address: RedisAddress): RedisClient {
  const { username, password, sentinel, database: db } = address;
  const tls = address.tls ? { ...(address.ca !== undefined && { ca: readFileSync(address.ca) }) } : undefined;
  const common = {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    commandTimeout,
    connectTimeout,
    socketTimeout: commandTimeout,
    connectionName: 'mcp-gateway',
    // What was sent and not answered may have been done: to send it again would tell a claim's winner that it lost.
    autoResendUnfulfilledCommands: false,
    // A master that became a replica refuses writes; the next connection finds its successor.
    reconnectOnError: ({ message }: Error) => /^(READONLY|LOADING|MASTERDOWN)/.test(message),
  };
  const retryStrategy = (times: number) =>
    Math.min(25 * 2 ** Math.min(times, 10), longestPause) * (0.75 + Math.random() / 4);
  if (address.cluster) {
    return new Cluster([...address.hosts], {
      redisOptions: { ...common, ...(tls && { tls }) },
      clusterRetryStrategy: retryStrategy,
      // Here it also means that a command waits for its node to be connected, for no longer than commandTimeout.
      enableOfflineQueue: true,
      // The same again: a command is repeated only where a node said that it has not been done.
      retryDelayOnFailover: 0,
      slotsRefreshInterval: 2000,
      slotsRefreshTimeout: 2000,
      // Names of nodes are the certificates' business.
      ...(tls && { dnsLookup: (host, callback) => callback(null, host) }),
    });
  }
  const single = { ...common, db, retryStrategy, enableOfflineQueue: false, maxRetriesPerRequest: 0 };
  const [first] = address.hosts;
  if (sentinel === undefined) return new Redis({ ...single, ...first, ...(tls && { tls }) });
  return new Redis({
    ...single,
    sentinels: [...address.hosts],
    name: sentinel,
    failoverDetector: true,
    sentinelRetryStrategy: retryStrategy,
    sentinelCommandTimeout: commandTimeout,
    ...(tls && { tls, enableTLSForSentinelMode: true, sentinelTLS: tls }),
  });
}

/** What an operator has to know of an error; never the arguments of a command, which hold what is stored. */
export function plainly(error: unknown): string {
  const { message, code, lastNodeError } = error as { message?: string; code?: string; lastNodeError?: unknown };
  if (lastNodeError !== undefined) return plainly(lastNodeError);
  if (isOfCertificate(code)) return `its certificate is not believed (${message}); name its authority with ca=FILE`;
  const text = message || code || String(error);
  const [, word = ''] = /^([A-Z]+)\b/.exec(text) ?? [];
  return (
    meanings[word] ?? (text.startsWith("Stream isn't") ? 'the connection is lost' : text.replace(/,? with args.*/s, ''))
  );
}

const meanings: Readonly<Record<string, string>> = {
  OOM: 'Redis has no memory left; raise its maxmemory',
  MISCONF: 'Redis cannot write to its disk and refuses changes',
  NOAUTH: 'Redis asks for a password; write redis://user:password@host',
  WRONGPASS: 'Redis refuses the user or the password',
  NOPERM: 'this user of Redis lacks a command or the keys; docs/storage.md lists what it needs',
  READONLY: 'this Redis is a replica and takes no changes; name the master, or the sentinels with ?sentinel=NAME',
};

/** Whether waiting will not mend it. */
export function isLasting(error: unknown): boolean {
  const { message = '', code } = error as { message?: string; code?: string };
  return isOfCertificate(code) || /^(NOAUTH|WRONGPASS|NOPERM|ERR (invalid password|DB index|.*AUTH))/.test(message);
}

/** OpenSSL's words for a chain that leads to nobody trusted, and Node's for a certificate of another name. */
function isOfCertificate(code: string | undefined): boolean {
  return code !== undefined && /SELF_SIGNED_CERT|VERIFY_LEAF|ISSUER_CERT|CERT_HAS_EXPIRED|CERT_ALTNAME/.test(code);
}
