/** Whether those whom `auth.admins` names can log in: a name that nobody has opens nothing, and nothing else would tell. */

import type { GatewayConfig } from '../config.ts';
import { type Finding, ok, warning } from './finding.ts';

type Login = GatewayConfig['auth']['login'];

export function administratorsKnown({ auth: { admins, login } }: GatewayConfig): Finding[] {
  return admins.map((entry) => {
    const reason = whyNobody(entry, login);
    return reason === undefined
      ? ok('auth.admins', `${entry} may open /console once logged in`)
      : warning('auth.admins', `${entry} ${reason}`);
  });
}

function whyNobody(entry: string, login: Login): string | undefined {
  if (entry === '*') return 'makes everybody who can log in an administrator; name them instead';
  const providers = providersOf(login);
  const colon = entry.indexOf(':');
  const [provider, name] =
    colon < 0 ? [undefined, entry] : [entry.slice(0, colon).toLowerCase(), entry.slice(colon + 1)];
  if (provider === undefined && providers.length > 1) {
    const forms = providers.map((one) => `${one}:${entry}`).join(' or ');
    return `is nobody: there are several ways to log in, so that a name alone says not whose it is; write ${forms}`;
  }
  const known = provider ?? providers[0] ?? '';
  if (!providers.includes(known))
    return `is nobody: there is no way to log in called ${known}; there is ${providers.join(', ')}`;
  if (known === 'password') return passwordFault(name, login.password);
  if (known === 'github') return githubFault(name, login.github);
  return undefined;
}

/** As their subjects begin. Where the configuration has no way to log in, the gateway makes a user `admin`. */
function providersOf({ github, oidc = [], password }: Login): string[] {
  const named = [...(password ? ['password'] : []), ...oidc.map(({ name }) => name), ...(github ? ['github'] : [])];
  return named.length === 0 ? ['password'] : named.map((name) => name.toLowerCase());
}

function passwordFault(name: string, password: Login['password']): string | undefined {
  const users = password === undefined ? ['admin'] : Object.keys(password.users);
  if (includes(users, name)) return undefined;
  if (password === undefined) return 'is nobody: without auth.login the only user is admin, made for each run';
  return `is none of auth.login.password.users, so nobody unless \`mcp-gateway user add ${name}\` has made that user`;
}

function githubFault(name: string, github: Login['github']): string | undefined {
  const { users = [], orgs = [], teams = [] } = github?.allow ?? {};
  const open = [...orgs, ...teams].length > 0 || users.includes('*');
  return open || includes(users, name) ? undefined : 'is not let in by auth.login.github.allow, so cannot log in';
}

function includes(names: readonly string[], name: string): boolean {
  return names.some((one) => one.trim().toLowerCase() === name.trim().toLowerCase());
}
