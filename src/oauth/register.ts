/** POST /register, RFC 7591, and GET, PUT, DELETE /register/{client_id}, RFC 7592. */

import { isIPv6 } from 'node:net';
import type { Exchange, Handler, Reply } from '../router/handler.ts';
import type { Store } from '../store/store.ts';
import { type ClientMetadata, clientMetadata } from './client-metadata.ts';
import type { Client, Clients, Registration } from './clients.ts';
import type { AuthConfig } from './config.ts';
import { noStore, OAuthError } from './errors.ts';
import { jsonBody } from './json-body.ts';
import { hashMatches } from './secrets.ts';

/** In bytes. */
const bodyLimit = 32 * 1024;

interface RegisterParts {
  readonly config: AuthConfig['registration'];
  readonly issuer: string;
  readonly store: Store;
  readonly clients: Clients;
}

/** RFC 7591 §3. */
export function registrationEndpoint({ config, issuer, store, clients }: RegisterParts): Handler {
  return async (exchange) => {
    if (config.mode === 'closed') throw new OAuthError('access_denied', 'This server takes no registrations');
    await withinQuota(store, config, exchange.clientAddress);
    const metadata = clientMetadata(await jsonBody(exchange, bodyLimit, 'invalid_client_metadata'));
    const registration = await clients.register(metadata);
    exchange.notes.clientId = registration.client.id;
    exchange.log.info('client registered', {
      clientId: registration.client.id,
      name: metadata.client_name,
      clientAddress: exchange.clientAddress,
    });
    return information(201, issuer, registration);
  };
}

/** RFC 7592 §2, for whoever holds the registration access token. */
export function clientConfigurationEndpoint({ issuer, clients }: RegisterParts): Handler {
  return async (exchange) => {
    const { client, token } = await managed(exchange, clients);
    switch (exchange.req.method) {
      case 'PUT':
        return information(200, issuer, await clients.update(client.id, await replacement(exchange, client)));
      case 'DELETE':
        await clients.delete(client.id, 'client');
        exchange.log.info('client deleted', { clientId: client.id });
        // RFC 7592 §2.3.
        return { status: 204, headers: noStore };
      default:
        // RFC 7592 §2.1: the same token is told again, the secret is not: we have only its hash.
        return information(200, issuer, { client, registrationAccessToken: token });
    }
  };
}

async function managed(exchange: Exchange, clients: Clients): Promise<{ client: Client; token: string }> {
  const id = exchange.path.slice('/register/'.length);
  const [, token] = /^bearer +(\S+)$/i.exec(exchange.req.headers.authorization ?? '') ?? [];
  const client = token !== undefined && (await clients.manages(id, token)) ? await clients.find(id) : undefined;
  if (client && token !== undefined) return { client, token };
  // RFC 7592 §2.1: 401 for a wrong token and for a client that is not there, and nothing tells which.
  throw new OAuthError('invalid_token', 'The registration access token is not valid for this client', {
    headers: { 'www-authenticate': token === undefined ? 'Bearer' : 'Bearer error="invalid_token"' },
  });
}

/** RFC 7592 §2.2: the client sends all its metadata; what it leaves out is gone. */
async function replacement(exchange: Exchange, client: Client): Promise<ClientMetadata> {
  const { client_id, client_secret, ...sent } = await jsonBody(exchange, bodyLimit, 'invalid_client_metadata');
  if (client_id !== client.id) throw new OAuthError('invalid_client_metadata', 'client_id must be that of the client');
  if (client_secret !== undefined && !secretIs(client, client_secret)) {
    throw new OAuthError('invalid_client_metadata', 'client_secret must be the current one; a client cannot choose it');
  }
  // RFC 7592 §2.2: the server alone sets these.
  const reserved = [
    'registration_access_token',
    'registration_client_uri',
    'client_secret_expires_at',
    'client_id_issued_at',
  ];
  const forbidden = reserved.find((member) => member in sent);
  if (forbidden) throw new OAuthError('invalid_client_metadata', `${forbidden} must not be sent`);
  return clientMetadata(sent);
}

function secretIs(client: Client, sent: unknown): boolean {
  return typeof sent === 'string' && client.secretHash !== undefined && hashMatches(sent, client.secretHash);
}

/** RFC 7591 §3.2.1: everything that was registered, defaults included, and no member without a value. */
function information(status: number, issuer: string, registration: Registration): Reply {
  const { client, secret, registrationAccessToken } = registration;
  const body = {
    client_id: client.id,
    client_id_issued_at: client.issuedAt,
    // RFC 7591 §3.2.1: required beside a secret; 0 is never.
    ...(secret !== undefined && { client_secret: secret, client_secret_expires_at: 0 }),
    ...(registrationAccessToken !== undefined && {
      registration_access_token: registrationAccessToken,
      registration_client_uri: `${issuer}/register/${client.id}`,
    }),
    ...client.metadata,
  };
  return { status, headers: { ...noStore, pragma: 'no-cache' }, body };
}

/** RFC 7591 §5: open registration is limited per address; an IPv6 host has a whole /64. */
async function withinQuota(store: Store, quota: AuthConfig['registration'], address: string): Promise<void> {
  const who = isIPv6(address) && !address.includes('.') ? expanded(address).slice(0, 4).join(':') : address;
  const windows = [
    { window: 'minute', limit: quota.perMinute, seconds: 60 },
    { window: 'day', limit: quota.perDay, seconds: 86_400 },
  ];
  for (const { window, limit, seconds } of windows) {
    if ((await store.increment(`registrations-per-${window}:${who}`, seconds)) > limit) {
      // RFC 6585 §4.
      throw new OAuthError(
        'temporarily_unavailable',
        `More than ${limit} registrations from your address in a ${window}`,
        {
          status: 429,
          headers: { 'retry-after': String(seconds) },
        },
      );
    }
  }
}

/** RFC 4291 §2.2: the eight groups of an address that may be written with `::`. */
function expanded(address: string): string[] {
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? [];
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  return [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0'), ...right];
}
