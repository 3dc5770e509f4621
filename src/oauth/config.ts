/** The `auth` slice of the configuration. */

import * as z from 'zod';
import { duration } from '../units.ts';
import { clientMetadata } from './client-metadata.ts';
import { oidcConfig } from './identity/oidc-config.ts';

const names = (what: string) =>
  z
    .array(z.string().trim().min(1))
    .default([])
    .describe(`${what}; "*" lets everybody in, an empty list nobody. Case does not matter.`);

const webUrl = z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/+$/, ''));

const github = z.strictObject({
  clientId: z.string().min(1).describe('Client id of the GitHub OAuth app'),
  clientSecret: z.string().min(1).describe('Client secret of the GitHub OAuth app'),
  allow: z
    .strictObject({
      users: names('Login names or numeric ids'),
      orgs: names('Organisations whose members are let in'),
      teams: names('Teams, written ORG/TEAM'),
    })
    .prefault({})
    .describe('Who may log in; one match is enough'),
  webUrl: webUrl.default('https://github.com').describe('Where people log in; that of GitHub Enterprise Server'),
  apiUrl: webUrl.default('https://api.github.com').describe('Where its API is'),
});

const password = z.strictObject({
  users: z
    .record(z.string().min(1), z.strictObject({ hash: z.string().min(1).describe('PHC string, $scrypt$…') }))
    .default({})
    .describe('Local users by name; more are added by `mcp-gateway user add`'),
});

/** Wire names, as for registration, plus the id and the secret. */
const client = z
  .looseObject({
    client_id: z.string().min(1).max(200).describe('Its id'),
    client_secret: z.string().min(16).optional().describe('Its secret, at least 16 characters'),
  })
  .transform(({ client_id, client_secret, ...metadata }, context) => {
    try {
      const method = client_secret === undefined ? 'none' : 'client_secret_basic';
      const parsed = clientMetadata({ token_endpoint_auth_method: method, ...metadata });
      const secretMethod = parsed.token_endpoint_auth_method.startsWith('client_secret_');
      if (secretMethod !== (client_secret !== undefined)) {
        context.addIssue({
          code: 'custom',
          message: `does not fit token_endpoint_auth_method ${parsed.token_endpoint_auth_method}`,
          path: ['client_secret'],
        });
      }
      return { id: client_id, secret: client_secret, metadata: parsed };
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
      return z.NEVER;
    }
  });

/** RFC 8707 §2: an absolute URI; its query and fragment would be seen by no proxy. */
const resource = z
  .strictObject({
    url: z
      .url({ protocol: /^https?$/, error: 'must be a URL such as "https://app.example.com/api"' })
      .refine((url) => url === url.trim() && !/[?#@\\]|%(?:2f|5c)/i.test(url) && !/\/\//.test(url.slice(8)), {
        error: 'must be scheme, host and path alone',
      })
      .describe('What is guarded: everything at and below this URL, and the audience of its tokens'),
    name: z.string().min(1).max(200).optional().describe('For people, on the consent page. [its url]'),
    scopes: z
      .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'is not a scope'))
      .default([])
      .describe('Scopes a token must have'),
    allow: z
      .strictObject({
        users: z.array(z.string().min(1)).optional().describe('Names or provider:subject; "*" is everybody'),
        clients: z.array(z.string().min(1)).optional().describe('Client identifiers'),
      })
      .default({})
      .describe('Who may use it. [everybody who may log in]'),
  })
  // One spelling: the same as browsers and clients make of it.
  .transform(({ url, name, ...rest }) => ({
    identifier: new URL(url).href.replace(/\/$/, ''),
    name: name ?? url,
    ...rest,
  }));

const registrationMode = z.enum(['open', 'closed']);

export const authConfig = z
  .strictObject({
    login: z
      .strictObject({
        github: github.optional().describe('Log in with GitHub or GitHub Enterprise'),
        oidc: oidcConfig.optional(),
        password: password.optional().describe('Log in with a name and password kept here'),
      })
      .prefault({})
      .describe('Ways to log in; the login page offers all that are configured'),
    accessTokenLifetime: duration.default(30 * 60).describe('How long an access token is good for'),
    refreshTokenLifetime: duration
      .default(30 * 86400)
      .describe('How long a client may stay away before a person must log in again; 0 = for ever'),
    refreshGrace: duration
      .default(60)
      .describe('How long a refresh token already used is answered the same again, for a client that lost the answer'),
    clientLifetime: duration
      .default(90 * 86400)
      .describe('How long a registered client is kept after its last use; 0 = for ever'),
    registration: z
      .union([
        registrationMode.transform((mode) => ({ mode })),
        z.strictObject({
          mode: registrationMode.default('open').describe('Whether clients may register themselves'),
          perMinute: z.int().positive().optional().describe('Registrations from one address in a minute [120]'),
          perDay: z.int().positive().optional().describe('Registrations from one address in a day [1000]'),
        }),
      ])
      .transform(
        ({
          mode,
          perMinute = 120,
          perDay = 1000,
        }: {
          mode: 'open' | 'closed';
          perMinute?: number | undefined;
          perDay?: number | undefined;
        }) => ({ mode, perMinute, perDay }),
      )
      .prefault('open')
      .describe('Dynamic client registration: "open", "closed", or an object with quotas'),
    clientIdMetadataDocuments: z
      .boolean()
      .default(true)
      .describe('Whether a client may name itself by the https URL of a document that describes it'),
    clients: z
      .array(client)
      .default([])
      .describe('Clients that need no registration, by RFC 7591 member names with client_id and client_secret'),
    resources: z
      .array(resource)
      .default([])
      .describe('What another proxy serves and asks /verify about, beside mcpServers'),
    admins: z
      .array(z.string().trim().min(1))
      .default([])
      .describe('Names or provider:subject who may open /console; nobody where it is empty, and then there is none'),
    allowedOrigins: z
      .array(z.string().min(1))
      .default([])
      .describe('Web origins beside our own and loopback that may call MCP endpoints'),
    signingAlgorithm: z.enum(['RS256', 'ES256', 'EdDSA']).default('RS256').describe('How access tokens are signed'),
  })
  .prefault({})
  .describe('Who may log in, which clients there are, and how long what they get is good for');

export type AuthConfig = z.infer<typeof authConfig>;
