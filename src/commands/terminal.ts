/** Questions to the person at the terminal. What they type as a secret is not shown. */

import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';

/** Whether somebody is there to be asked. */
export const interactive = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true;

/** What takes long, told to a person who waits at a terminal, and to nobody else. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`${text}\n`);
}

/** The answer, or `fallback` where it is empty. Rejects where the input ends. */
export async function ask(question: string, fallback = ''): Promise<string> {
  const hint = fallback === '' ? '' : ` [${fallback}]`;
  return (await answerTo(`${question}${hint}: `, process.stderr)).trim() || fallback;
}

/** Typed twice at a terminal, else the first line of standard input. */
export async function newPassword(who: string): Promise<string> {
  if (!interactive()) return (await standardInput()).split(/\r?\n/, 1)[0] ?? '';
  const first = await hidden(`Password of ${who}: `);
  if (first !== (await hidden('Once more: '))) throw new Error('the two passwords differ; nothing was changed');
  return first;
}

async function standardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Buffer));
  return Buffer.concat(chunks).toString('utf8');
}

async function hidden(question: string): Promise<string> {
  process.stderr.write(question);
  // What the terminal would echo goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  try {
    return await answerTo('', nowhere);
  } finally {
    process.stderr.write('\n');
  }
}

async function answerTo(question: string, output: NodeJS.WritableStream): Promise<string> {
  const lines = createInterface({ input: process.stdin, output, terminal: process.stdin.isTTY === true });
  const over = new AbortController();
  lines.once('close', () => over.abort());
  lines.once('SIGINT', () => over.abort());
  try {
    return await lines.question(question, { signal: over.signal });
  } catch (cause) {
    throw new Error('nothing was answered; nothing was changed', { cause });
  } finally {
    lines.close();
  }
}
