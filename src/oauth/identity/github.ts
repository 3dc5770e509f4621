/** GitHub, or GitHub Enterprise Server, as identity provider: an OAuth app's web flow, allow lists of users, organisations and teams. */

import * as z from 'zod';
import type { Identity } from '../grants.ts';
import { allowList, type IdentityProvider, LoginFailed } from './identity-provider.ts';
import { askProvider, type ProviderAnswer } from './provider-fetch.ts';

export interface GitHubOptions {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly webUrl: string;
  readonly apiUrl: string;
  readonly allow: {
    readonly users?: readonly string[];
    readonly orgs?: readonly string[];
    /** `org/team-slug` */
    readonly teams?: readonly string[];
  };
}

const tokenAnswer = z.object({ access_token: z.string().min(1) });
const errorAnswer = z.object({ error: z.string(), error_description: z.string().optional() });
const userAnswer = z.object({ id: z.int().positive(), login: z.string().min(1) });
const emailsAnswer = z.array(z.object({ email: z.string(), primary: z.boolean(), verified: z.boolean() }));
const membershipAnswer = z.object({ state: z.string() });

export function github(options: GitHubOptions): IdentityProvider {
  const users = allowList(options.allow.users);
  const orgs = allowList(options.allow.orgs);
  const teams = allowList(options.allow.teams);
  const web = (path: string) => new URL(`${options.webUrl.replace(/\/+$/, '')}${path}`);
  const api = (path: string) => new URL(`${options.apiUrl.replace(/\/+$/, '')}${path}`);
  const memberships = orgs.size > 0 || teams.size > 0;
  const scope = memberships ? 'read:user user:email read:org' : 'read:user user:email';

  /** Names change hands, numbers do not: a list may hold either. */
  const allowed = (subject: string, username: string, groups: readonly string[]): boolean =>
    users.has('*') ||
    users.has(username.toLowerCase()) ||
    users.has(subject.slice('github:'.length)) ||
    users.has(subject) ||
    groups.some((group) => orgs.has(group) || teams.has(group));

  async function accessToken(code: string, redirectUri: string, codeVerifier: string): Promise<string> {
    const { json } = await askProvider('GitHub', web('/login/oauth/access_token'), {
      method: 'POST',
      headers: { accept: 'application/json' },
      body: new URLSearchParams({
        client_id: options.clientId,
        client_secret: options.clientSecret,
        code,
        redirect_uri: redirectUri,
        code_verifier: codeVerifier,
      }),
    });
    const answer = tokenAnswer.safeParse(json);
    if (answer.success) return answer.data.access_token;
    // GitHub tells failures with status 200.
    const error = errorAnswer.safeParse(json);
    const said = error.success ? `${error.data.error}: ${error.data.error_description ?? ''}` : 'no access token';
    throw new LoginFailed('failed', 'GitHub did not accept the login. Start again.', { cause: new Error(said) });
  }

  function ask(token: string, path: string): Promise<ProviderAnswer> {
    const headers = {
      accept: 'application/vnd.github+json',
      authorization: `Bearer ${token}`,
      'user-agent': 'mcp-gateway',
      'x-github-api-version': '2022-11-28',
    };
    return askProvider('GitHub', api(path), { headers });
  }

  async function verifiedEmail(token: string): Promise<string | undefined> {
    const emails = emailsAnswer.safeParse((await ask(token, '/user/emails')).json);
    return emails.success ? emails.data.find(({ primary, verified }) => primary && verified)?.email : undefined;
  }

  /** The allowed organisations and teams this person is an active member of; an answer we cannot read is no membership. */
  async function groupsOf(token: string, username: string): Promise<string[]> {
    const questions = [
      ...[...orgs].map((org) => ({ group: org, path: `/user/memberships/orgs/${encodeURIComponent(org)}` })),
      ...[...teams].flatMap((team) => {
        const [org, slug, ...rest] = team.split('/').map(encodeURIComponent);
        const path = `/orgs/${org}/teams/${slug}/memberships/${encodeURIComponent(username)}`;
        return org && slug && rest.length === 0 ? [{ group: team, path }] : [];
      }),
    ];
    const answers = await Promise.all(
      questions.map(async ({ group, path }) => {
        const { status, json } = await ask(token, path);
        const membership = membershipAnswer.safeParse(json);
        // An invitation not yet accepted is `pending`.
        return status === 200 && membership.success && membership.data.state === 'active' ? [group] : [];
      }),
    );
    return answers.flat();
  }

  return {
    kind: 'redirect',
    name: 'github',
    title: 'GitHub',
    async authorizationUrl({ state, redirectUri, codeChallenge, fresh }) {
      const url = web('/login/oauth/authorize');
      url.search = new URLSearchParams({
        client_id: options.clientId,
        redirect_uri: redirectUri,
        scope,
        state,
        code_challenge: codeChallenge,
        code_challenge_method: 'S256',
        allow_signup: 'false',
        ...(fresh && { prompt: 'select_account' }),
      }).toString();
      return url;
    },
    async identify({ parameters, redirectUri, codeVerifier }) {
      refuseProviderError('GitHub', parameters);
      const token = await accessToken(parameters.get('code') ?? '', redirectUri, codeVerifier);
      const user = userAnswer.safeParse((await ask(token, '/user')).json);
      if (!user.success)
        throw new LoginFailed('failed', 'GitHub did not say who you are. Start again.', { cause: user.error });
      const subject = `github:${user.data.id}`;
      const username = user.data.login;
      const [email, groups] = await Promise.all([verifiedEmail(token), groupsOf(token, username)]);
      if (!allowed(subject, username, groups)) {
        throw new LoginFailed('refused', `The GitHub account ${username} is not allowed to use this gateway.`);
      }
      const identity: Identity = { subject, username, groups, ...(email !== undefined && { email }) };
      return identity;
    },
    async stillAllowed({ subject, username, groups = [] }) {
      return allowed(subject, username, groups);
    },
  };
}

/** RFC 6749 §4.1.2.1, as a client: what the provider answers instead of a code. */
export function refuseProviderError(provider: string, parameters: URLSearchParams): void {
  const error = parameters.get('error');
  if (error === 'access_denied') throw new LoginFailed('cancelled', `You cancelled the login at ${provider}.`);
  if (error !== null || !parameters.get('code')) {
    const cause = new Error(`${error ?? 'no code'}: ${parameters.get('error_description') ?? ''}`);
    throw new LoginFailed('failed', `${provider} answered with an error. Start again.`, { cause });
  }
}
