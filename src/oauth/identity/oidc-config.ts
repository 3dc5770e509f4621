/** `auth.login.oidc`: any number of OpenID Connect providers, the well-known ones by name. */

import * as z from 'zod';

/** What a preset fills in, and how it reads a short `issuer`. */
const presets = {
  google: { title: 'Google', issuer: () => 'https://accounts.google.com' },
  // The issuer of a tenant carries its id; for names and for `common` it would be another in every token.
  entra: { title: 'Microsoft', issuer: (tenant: string) => `https://login.microsoftonline.com/${tenant}/v2.0` },
  // Auth0's issuers end in a slash.
  auth0: { title: 'Auth0', issuer: (domain: string) => `https://${domain}/` },
  keycloak: { title: 'Keycloak', issuer: (realm: string) => `https://${realm}` },
} as const;

const list = (what: string) =>
  z.array(z.string().trim().min(1)).default([]).describe(`${what}; "*" lets everybody in. Case does not matter.`);

const provider = z
  .strictObject({
    preset: z
      .enum(['google', 'entra', 'auth0', 'keycloak'])
      .optional()
      .describe(
        'A provider known by name: google; entra with the tenant id, auth0 with the domain, keycloak with HOST/realms/REALM as issuer',
      ),
    name: z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,30}$/, 'must be a short name such as "corp"')
      .refine((name) => name !== 'github' && name !== 'password', 'is the name of another way to log in')
      .optional()
      .describe('Names the provider in subjects, `NAME:sub`; never change it. [the preset, else "oidc"]'),
    title: z.string().min(1).max(60).optional().describe('What people read on the login page'),
    issuer: z.string().min(1).optional().describe('Issuer URL, exactly as its discovery document has it'),
    clientId: z.string().min(1).describe('Client id at the provider'),
    clientSecret: z.string().min(1).describe('Client secret at the provider'),
    scopes: z
      .array(z.string().min(1))
      .default(['openid', 'email', 'profile'])
      .refine((scopes) => scopes.includes('openid'), 'must hold "openid"')
      .describe('Scopes to ask the provider for'),
    groupsClaim: z.string().min(1).default('groups').describe('Claim that lists the groups of a person'),
    allow: z
      .strictObject({
        emails: list('Verified e-mail addresses'),
        domains: list('Domains of verified e-mail addresses'),
        groups: list('Groups, as the provider writes them'),
        subjects: list('Values of `sub`'),
      })
      .prefault({})
      .describe('Who may log in; one match is enough, and with empty lists nobody may'),
  })
  .transform(({ preset, issuer, name = preset ?? 'oidc', title, ...rest }, context) => {
    const known = preset === undefined ? undefined : presets[preset];
    const written = issuer ?? (preset === 'google' ? '' : undefined);
    const whole = written === undefined || isUrl(written) ? written : known?.issuer(written);
    if (whole === undefined || !isUrl(whole)) {
      context.addIssue({ code: 'custom', path: ['issuer'], message: 'must be the URL of the issuer' });
      return z.NEVER;
    }
    // OpenID Connect Discovery §4: over TLS; loopback is for development.
    if (!/^https:|^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::|\/|$)/.test(whole)) {
      context.addIssue({
        code: 'custom',
        path: ['issuer'],
        message: 'must be https:// (http:// is for loopback only)',
      });
      return z.NEVER;
    }
    return { ...rest, name, title: title ?? known?.title ?? name, issuer: whole };
  });

export const oidcConfig = z
  .union([provider.transform((one) => [one]), z.array(provider).min(1)])
  .refine(
    (all) => new Set(all.map(({ name }) => name)).size === all.length,
    'has two providers of the same name; give each its own',
  )
  .describe('Log in with OpenID Connect: one provider, or a list of them');

function isUrl(text: string): boolean {
  return /^https?:\/\//.test(text) && URL.canParse(text);
}
