/** What an operator can have the running gateway do. */

import * as z from 'zod';
import type { Operations } from '../console/operations.ts';
import type { Gateway } from '../gateway.ts';
import type { GatewayStatus } from '../gateway-status.ts';
import { clientMetadata } from '../oauth/client-metadata.ts';
import type { Client } from '../oauth/clients.ts';
import type { Grant } from '../oauth/grants.ts';
import { refusal } from '../router/handler.ts';
import { recordOperations } from './records.ts';
import { read } from './socket.ts';

export interface OperationsParts {
  readonly gateway: Gateway;
  /** Reads the configuration anew and puts it to work; rejects with all its faults and nothing changed. */
  reload(): Promise<void>;
}

/** What an operator is told who asks for it; to count the clients is too much for each scrape of the metrics. */
export interface ToldStatus extends GatewayStatus {
  /** Registered and configured ones. */
  readonly clients: number;
}

/** A client as it is told to the operator: nothing here opens anything. */
export interface ClientInfo extends Omit<Client, 'secretHash'> {
  readonly grants: readonly GrantInfo[];
}

export type GrantInfo = Pick<
  Grant,
  'id' | 'clientId' | 'subject' | 'username' | 'resources' | 'scope' | 'createdAt' | 'usedAt'
>;

// Each is made when it is first asked for.
const newClient = z.lazy(() =>
  z.strictObject({
    redirectUris: z.array(z.string()),
    name: z.string().optional(),
    secret: z.boolean(),
  }),
);
const newUser = z.lazy(() => z.strictObject({ name: z.string(), hash: z.string(), replace: z.boolean() }));
const rotation = z.lazy(() => z.strictObject({ compromised: z.boolean() }));
const renewal = z.lazy(() => z.strictObject({ host: z.string().optional() }));
const newToken = z.lazy(() =>
  z.strictObject({
    user: z.string().min(1),
    servers: z.array(z.string()).min(1),
    scope: z.array(z.string()),
    name: z.string().min(1).max(100),
    lifetime: z.int().positive(),
  }),
);

export function operations({ gateway, reload }: OperationsParts): Operations {
  return {
    'GET /status': async (): Promise<ToldStatus> => ({
      ...(await gateway.status()),
      clients: await gateway.administration.clients.count(),
    }),
    'GET /timeline': () => ({ timeline: gateway.timeline() }),
    'POST /reload': async () => {
      await reload();
      return { reloaded: true };
    },
    ...clientOperations(gateway),
    ...recordOperations(gateway.store),
    // Also those of clients that are never registered, since they name themselves by a document.
    'GET /grants': async () => ({ grants: await grantInfos(gateway.administration.grants.all()) }),
    'DELETE /grants/*': async ({ name }) => {
      const { grants } = gateway.administration;
      const grant = await grants.find(name);
      if (grant === undefined)
        throw refusal(404, 'not_found', `there is no grant ${name}; it may have ended meanwhile`);
      await grants.revoke(name);
      return { id: name, clientId: grant.clientId, username: grant.username };
    },
    'GET /users': async () => ({ users: await gateway.administration.users.list() }),
    'POST /users': async (asked) => {
      const { name, hash, replace } = read(newUser, asked);
      await gateway.administration.users.add(name, hash, { replace });
      return { name };
    },
    'DELETE /users/*': async ({ name }) => {
      await gateway.administration.users.remove(name);
      return { name };
    },
    'GET /keys': async () => ({ keys: await gateway.administration.keys.list() }),
    'POST /keys/rotate': (asked) => gateway.administration.keys.rotate(read(rotation, asked)),
    'GET /certificates': async () => ({ certificates: (await gateway.status()).certificates }),
    'POST /certificates/renew': async (asked) => {
      await gateway.renewCertificates(read(renewal, asked).host);
      return { certificates: (await gateway.status()).certificates };
    },
    'GET /tokens': async () => ({ tokens: await gateway.administration.tokens.list() }),
    'POST /tokens': (asked) => gateway.administration.tokens.issue(read(newToken, asked)),
    'DELETE /tokens/*': async ({ name }) => {
      if (!(await gateway.administration.tokens.revoke(name)))
        throw refusal(404, 'not_found', `there is no personal token ${name}`);
      return { id: name };
    },
  };
}

function clientOperations(gateway: Gateway): Operations {
  const infoOf = ({ secretHash: _, ...client }: Client, grants: readonly GrantInfo[]): ClientInfo => ({
    ...client,
    grants,
  });
  const withGrants = async (client: Client) =>
    infoOf(client, await grantInfos(gateway.administration.grants.ofClient(client.id)));
  const known = async (id: string): Promise<Client> => {
    const client = await gateway.administration.clients.find(id);
    if (client === undefined) throw refusal(404, 'not_found', `there is no client ${id}`);
    return client;
  };
  return {
    'GET /clients': async () => {
      const { clients, grants } = gateway.administration;
      const byClient = Map.groupBy(await grantInfos(grants.all()), ({ clientId }) => clientId);
      const found: ClientInfo[] = [];
      for await (const client of clients.all()) found.push(infoOf(client, byClient.get(client.id) ?? []));
      return { clients: found };
    },
    'GET /clients/*': async ({ name }) => withGrants(await known(name)),
    'POST /clients': async (asked) => {
      const { redirectUris, name, secret } = read(newClient, asked);
      const metadata = clientMetadata({
        redirect_uris: redirectUris,
        token_endpoint_auth_method: secret ? 'client_secret_basic' : 'none',
        ...(name !== undefined && { client_name: name }),
      });
      const registered = await gateway.administration.clients.register(metadata);
      return {
        ...(await withGrants(registered.client)),
        ...(registered.secret !== undefined && { secret: registered.secret }),
      };
    },
    'DELETE /clients/*': async ({ name }) => {
      const client = await known(name);
      const { kind, id } = client;
      if (kind === 'configured')
        throw refusal(409, 'configured', `${id} is a client of the configuration; take it out of auth.clients there`);
      const { length } = (await withGrants(client)).grants;
      await gateway.administration.clients.delete(id, 'operator');
      return { id, grants: length };
    },
  };
}

async function grantInfos(grants: AsyncIterable<Grant>): Promise<GrantInfo[]> {
  const found: GrantInfo[] = [];
  for await (const { id, clientId, subject, username, resources, scope, createdAt, usedAt, personal } of grants) {
    // Without a use it is a code that was never redeemed, so nothing was given yet.
    if (usedAt !== undefined && personal === undefined)
      found.push({ id, clientId, subject, username, resources, scope, createdAt, usedAt });
  }
  return found;
}
