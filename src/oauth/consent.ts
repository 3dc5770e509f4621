/** What a person has allowed a client: asked once, remembered, listed and taken back at /account (RFC 6819 §5.2.4.1). */

import { collection, type Store } from '../store/store.ts';
import type { Client } from './clients.ts';
import { isLoopbackRedirect, redirectHost } from './redirect-uri.ts';
import { covers } from './scope.ts';

export interface Consent {
  readonly clientId: string;
  /** As it was shown when they allowed it. */
  readonly clientName: string;
  /** Hosts, or schemes of apps, that codes may go to. */
  readonly redirects: readonly string[];
  /** Resource identifier to scopes. */
  readonly resources: Readonly<Record<string, readonly string[]>>;
  /** Seconds since the epoch, of the last time they said yes. */
  readonly at: number;
}

/** What a client asks for, as far as consent is concerned. */
export interface Asked {
  readonly client: Client;
  readonly redirectUri: string;
  readonly resources: readonly string[];
  readonly scope: readonly string[];
}

export interface Consents {
  /** Whether this person has allowed all of it before. */
  covers(subject: string, asked: Asked): Promise<boolean>;
  record(subject: string, asked: Asked): Promise<void>;
  ofSubject(subject: string): AsyncIterable<Consent>;
  revoke(subject: string, clientId: string): Promise<void>;
}

/** A year, in seconds. */
const lifetime = 365 * 86_400;

/** `consent:<subject>:<client id>`, each percent-encoded. */
export function consents(store: Store): Consents {
  const kept = collection<Consent>(store, 'consent');
  const idOf = (subject: string, clientId: string) => `${encodeURIComponent(subject)}:${encodeURIComponent(clientId)}`;
  return {
    async covers(subject, { client, redirectUri, resources, scope }) {
      const consent = await kept.get(idOf(subject, client.id));
      return (
        consent?.redirects.includes(destination(redirectUri)) === true &&
        resources.every((resource) => {
          const allowed = Object.hasOwn(consent.resources, resource) ? (consent.resources[resource] ?? []) : undefined;
          return allowed !== undefined && scope.every((one) => allowed.some((held) => covers(held, one)));
        })
      );
    },
    async record(subject, { client, redirectUri, resources, scope }) {
      const id = idOf(subject, client.id);
      const before = await kept.get(id);
      const added = resources.map((resource): [string, string[]] => [
        resource,
        [...new Set([...(before?.resources[resource] ?? []), ...scope])],
      ]);
      const consent: Consent = {
        clientId: client.id,
        clientName: client.metadata.client_name ?? client.id,
        redirects: [...new Set([...(before?.redirects ?? []), destination(redirectUri)])],
        resources: { ...before?.resources, ...Object.fromEntries(added) },
        at: Math.floor(Date.now() / 1000),
      };
      await kept.set(id, consent, { ttl: lifetime });
    },
    async *ofSubject(subject) {
      yield* kept.values(`${encodeURIComponent(subject)}:`);
    },
    async revoke(subject, clientId) {
      await kept.delete(idOf(subject, clientId));
    },
  };
}

/**
 * Whether a consent given before may stand for the person, who then sees no page. RFC 8252 §8.6, RFC 9700 §4.1.1: only where
 * nobody but the client can get the code, by an https redirect of its own or by the secret it redeems it with. Any program on a machine can
 * listen on loopback or claim a scheme, so there the person presses the button each time.
 */
export function mayStandIn({ client, redirectUri }: Asked): boolean {
  return redirectUri.startsWith('https://') || client.metadata.token_endpoint_auth_method !== 'none';
}

/** The port of a loopback redirect is the operating system's choice, so it is no part of what was allowed. */
function destination(redirectUri: string): string {
  return isLoopbackRedirect(redirectUri) ? new URL(redirectUri).hostname : redirectHost(redirectUri);
}
