/** Allow lists of people and clients, as a configuration writes them. */

import type { ProtectedResource } from './resource.ts';

interface Person {
  /** `provider:subject` */
  readonly subject: string;
  readonly username: string;
}

/**
 * Whether a list names this person: `provider:subject`, `provider:username`, a bare username, or `*`. Case does not
 * matter. Bare names count only where `bareNames` is set: with several ways to log in, a name says nothing of whose it is.
 */
export function names(list: readonly string[], person: Person, bareNames: boolean): boolean {
  const provider = person.subject.slice(0, person.subject.indexOf(':') + 1);
  const meant = new Set([
    '*',
    person.subject,
    `${provider}${person.username}`,
    ...(bareNames ? [person.username] : []),
  ]);
  const folded = new Set([...meant].map(fold));
  return list.some((entry) => folded.has(fold(entry)));
}

/** Whether this person and client may use the resource. An absent list lets everybody in, an empty one nobody. */
export function mayUse(
  { allow }: ProtectedResource,
  caller: Person & { readonly clientId: string },
  bareNames: boolean,
): boolean {
  const client = allow?.clients === undefined || allow.clients.some((id) => id === '*' || id === caller.clientId);
  return client && (allow?.users === undefined || names(allow.users, caller, bareNames));
}

const fold = (text: string) => text.trim().normalize('NFC').toLowerCase();
