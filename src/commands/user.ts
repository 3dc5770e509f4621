/** `user`: local password users, those of the configuration and those added here. */

import type { LocalUser } from '../oauth/local-users.ts';
import { hashPassword, longestPassword } from '../oauth/password.ts';
import { askGateway, type GatewayOptions } from './admin-client.ts';
import { printTable } from './table.ts';
import { newPassword } from './terminal.ts';

type Options = GatewayOptions & { readonly json?: true };

/** NIST SP 800-63B §3.1.1.2 knows no shorter one. */
const shortest = 8;

export async function userAdd(name: string, options: Options & { replace?: true; print?: true }): Promise<void> {
  const password = await newPassword(name);
  if (password.length < shortest) throw new Error(`the password must have at least ${shortest} characters`);
  if (Buffer.byteLength(password) > longestPassword)
    throw new Error(`the password must have at most ${longestPassword} bytes`);
  const hash = await hashPassword(password);
  if (options.print) {
    process.stdout.write(options.json ? `${JSON.stringify({ name, hash })}\n` : `${hash}\n`);
    return;
  }
  await askGateway(options, 'POST', '/users', { name, hash, replace: options.replace ?? false });
  if (options.json) process.stdout.write(`${JSON.stringify({ name })}\n`);
  else process.stdout.write(options.replace ? `${name} has a new password.\n` : `${name} can log in now.\n`);
}

export async function userList(options: Options): Promise<void> {
  const { users } = (await askGateway(options, 'GET', '/users')) as { users: LocalUser[] };
  if (options.json) process.stdout.write(`${JSON.stringify(users, null, 2)}\n`);
  else
    printTable(
      ['NAME', 'FROM'],
      users.map(({ name, from }) => [name, from]),
    );
}

export async function userRemove(name: string, options: Options): Promise<void> {
  await askGateway(options, 'DELETE', `/users/${encodeURIComponent(name)}`);
  if (options.json) process.stdout.write(`${JSON.stringify({ name })}\n`);
  else process.stdout.write(`${name} is gone; logins and tokens have ended.\n`);
}
