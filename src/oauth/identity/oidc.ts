/** Any OpenID Connect provider: discovery, code flow with PKCE and nonce, ID token. OpenID Connect Core 1.0, with us as the client. */

import { errors, jwtVerify } from 'jose';
import * as z from 'zod';
import type { AuthConfig } from '../config.ts';
import type { Identity } from '../grants.ts';
import { refuseProviderError } from './github.ts';
import { allowList, type IdentityProvider, LoginFailed } from './identity-provider.ts';
import { discovery, type OidcMetadata } from './oidc-discovery.ts';
import { askProvider } from './provider-fetch.ts';

export type OidcOptions = NonNullable<AuthConfig['login']['oidc']>[number];

const tokenAnswer = z.object({ id_token: z.string().min(1), access_token: z.string().optional() });

/** What we read of an ID token or of the userinfo answer; anything of another shape is as good as absent. */
const claims = z.looseObject({
  sub: z.string().min(1).max(255),
  azp: z.string().optional().catch(undefined),
  nonce: z.string().optional().catch(undefined),
  email: z.string().optional().catch(undefined),
  // Some providers write booleans as text; Entra says by xms_edov that the owner of the mail domain vouches for it.
  email_verified: z.union([z.boolean(), z.stringbool()]).optional().catch(undefined),
  xms_edov: z
    .union([z.boolean(), z.stringbool(), z.literal(1).transform(() => true)])
    .optional()
    .catch(undefined),
});
type Claims = z.infer<typeof claims>;

export function oidc(options: OidcOptions): IdentityProvider {
  const { name, title, clientId } = options;
  const emails = allowList(options.allow.emails);
  const domains = allowList(options.allow.domains.map((domain) => domain.replace(/^@/, '')));
  const groups = allowList(options.allow.groups);
  const subjects = allowList(options.allow.subjects);
  const everybody = [emails, domains, groups, subjects].some((list) => list.has('*'));
  const discovered = discovery(title, options.issuer);

  const allowed = ({ subject, email, groups: member = [] }: Identity): boolean => {
    const mail = email?.toLowerCase();
    return (
      everybody ||
      subjects.has(subject.slice(name.length + 1).toLowerCase()) ||
      (mail !== undefined && (emails.has(mail) || domains.has(mail.slice(mail.lastIndexOf('@') + 1)))) ||
      member.some((group) => groups.has(group.toLowerCase()))
    );
  };

  async function redeem(metadata: OidcMetadata, code: string, redirectUri: string, codeVerifier: string) {
    const form = new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirectUri,
      code_verifier: codeVerifier,
    });
    const headers = new Headers({ accept: 'application/json' });
    // RFC 8414 §2: client_secret_basic where the provider does not say.
    if (metadata.token_endpoint_auth_methods_supported.includes('client_secret_basic')) {
      const credentials = [clientId, options.clientSecret].map(encodeURIComponent).join(':');
      headers.set('authorization', `Basic ${Buffer.from(credentials).toString('base64')}`);
    } else {
      form.set('client_id', clientId);
      form.set('client_secret', options.clientSecret);
    }
    const { status, json } = await askProvider(title, new URL(metadata.token_endpoint), {
      method: 'POST',
      headers,
      body: form,
    });
    const answer = tokenAnswer.safeParse(json);
    if (status === 200 && answer.success) return answer.data;
    const { error } = (json ?? {}) as { error?: unknown };
    const cause = new Error(`token endpoint: ${status} ${typeof error === 'string' ? error : 'no id_token'}`);
    throw new LoginFailed('failed', `${title} did not accept the login. Start again.`, { cause });
  }

  /** OpenID Connect Core §3.1.3.7. */
  async function verified(metadata: OidcMetadata, idToken: string, nonce: string): Promise<Claims> {
    const { payload } = await jwtVerify(idToken, metadata.keys, {
      issuer: metadata.issuer,
      audience: clientId,
      algorithms: [...metadata.algorithms],
      requiredClaims: ['sub', 'exp', 'iat'],
      clockTolerance: 30,
    }).catch((cause: unknown) => {
      if (!(cause instanceof errors.JOSEError))
        throw new LoginFailed('failed', `${title} could not be reached. Try again in a moment.`, { cause });
      throw new LoginFailed('failed', `What ${title} said about you is not valid. Start again.`, { cause });
    });
    const said = claims.parse(payload);
    const lie = (what: string) =>
      new LoginFailed('failed', `What ${title} said about you is not valid. Start again.`, { cause: new Error(what) });
    // §3.1.3.7, 3 to 5: with several audiences, the one it was issued to must be us.
    if (Array.isArray(payload.aud) && payload.aud.length > 1 && said.azp === undefined)
      throw lie('several audiences and no azp');
    if (said.azp !== undefined && said.azp !== clientId) throw lie('azp is another client');
    // §3.1.3.7, 11: this very login, in this very browser.
    if (said.nonce !== nonce) throw lie('the nonce is not ours');
    return said;
  }

  /** §5.3: asked only for what the ID token leaves open. */
  async function completed(metadata: OidcMetadata, said: Claims, accessToken: string | undefined): Promise<Claims> {
    const wantsMail = emails.size + domains.size > 0 && said.email === undefined;
    const wantsGroups = groups.size > 0 && said[options.groupsClaim] === undefined;
    if ((!wantsMail && !wantsGroups) || metadata.userinfo_endpoint === undefined || accessToken === undefined)
      return said;
    const headers = { accept: 'application/json', authorization: `Bearer ${accessToken}` };
    const { status, json } = await askProvider(title, new URL(metadata.userinfo_endpoint), { headers });
    const more = claims.safeParse(json);
    // §5.3.2: of the same person, or it is nobody's.
    return status === 200 && more.success && more.data.sub === said.sub ? { ...more.data, ...said } : said;
  }

  function identityOf(said: Claims): Identity {
    const { sub, email } = said;
    // §5.1: an address the provider has not verified is only what somebody typed.
    const verifiedMail = said.email_verified === true || said.xms_edov === true ? email : undefined;
    const listed = said[options.groupsClaim];
    const member = Array.isArray(listed) ? listed.filter((group): group is string => typeof group === 'string') : [];
    // What else a provider calls a name people may often change themselves; lists of who may use a server compare it.
    return {
      subject: `${name}:${sub}`,
      username: verifiedMail ?? sub,
      ...(verifiedMail !== undefined && { email: verifiedMail }),
      // Only those that decide something are kept: some people are in thousands.
      groups: member.filter((group) => groups.has(group.toLowerCase())),
    };
  }

  return {
    kind: 'redirect',
    name,
    title,
    async authorizationUrl({ state, redirectUri, codeChallenge, nonce, fresh }) {
      const url = new URL((await discovered()).authorization_endpoint);
      const sent = {
        response_type: 'code',
        client_id: clientId,
        redirect_uri: redirectUri,
        scope: options.scopes.join(' '),
        state,
        nonce,
        code_challenge: codeChallenge,
        code_challenge_method: 'S256',
        ...(fresh && { prompt: 'login' }),
      };
      for (const [key, value] of Object.entries(sent)) url.searchParams.set(key, value);
      return url;
    },
    async identify({ parameters, redirectUri, codeVerifier, nonce }) {
      const metadata = await discovered();
      // RFC 9207 §2.4: before anything else is believed, an answer that names another issuer is a mix-up.
      const iss = parameters.get('iss');
      if (iss === null ? metadata.authorization_response_iss_parameter_supported : iss !== metadata.issuer) {
        const cause = new Error(`iss is ${iss ?? 'missing'}`);
        throw new LoginFailed('failed', `The answer did not come from ${title}. Start again.`, { cause });
      }
      refuseProviderError(title, parameters);
      const tokens = await redeem(metadata, parameters.get('code') ?? '', redirectUri, codeVerifier);
      const said = await verified(metadata, tokens.id_token, nonce);
      const identity = identityOf(await completed(metadata, said, tokens.access_token));
      if (!allowed(identity)) {
        throw new LoginFailed(
          'refused',
          `The ${title} account ${identity.username} is not allowed to use this gateway.`,
        );
      }
      return identity;
    },
    // The provider is not asked again: what it said at the last login is compared with the lists as they are now.
    stillAllowed: async (identity) => allowed(identity),
  };
}
