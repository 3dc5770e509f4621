/** What an auditor reads, and nothing else: who logged in, let a client in, got a token, called a tool or administered. */

import { closeSync, openSync, writeSync } from 'node:fs';
import { Writable } from 'node:stream';
import { type Heard, type Log, log } from './log.ts';

export interface AuditLog extends Disposable {
  /** Told of every event; the others are left out. */
  readonly hear: Heard;
  /** Goes on in the file that has the name now: whoever rotates has moved the former one away. */
  reopen(): void;
}

const audited: ReadonlySet<string> = new Set([
  'logged in',
  'login failed',
  'code issued',
  'access denied by the person',
  'device allowed',
  'device denied',
  'token issued',
  'grant revoked',
  'access taken back',
  'personal token revoked',
  'client registered',
  'client deleted',
  'called',
  'administered',
  'configuration reloaded',
]);

/** JSON lines, appended and readable by the owner alone. Throws where the file cannot be had; `trouble` hears of what comes later. */
export function openAuditLog(path: string, trouble: Log): AuditLog {
  let file = opened(path);
  let failing = false;
  const output = new Writable({
    // At once: what was done is on record even where the process is killed next.
    write(line: Buffer, _encoding, done) {
      try {
        writeSync(file, line);
        failing = false;
      } catch (error) {
        if (!failing) trouble.error('the audit log cannot be written', { path, error });
        failing = true;
      }
      done();
    },
  });
  const written = log({ level: 'debug', format: 'json', output });
  return {
    hear(level, event, fields) {
      // Of all requests to servers those count that name a tool or a prompt.
      if (!audited.has(event) || (event === 'called' && fields.tool === undefined)) return;
      written[level === 'debug' ? 'info' : level](event, fields);
    },
    reopen() {
      try {
        const next = opened(path);
        closeSync(file);
        file = next;
      } catch (error) {
        trouble.error('the audit log stays in its former file', { path, error });
      }
    },
    [Symbol.dispose]: () => closeSync(file),
  };
}

function opened(path: string): number {
  try {
    return openSync(path, 'a', 0o600);
  } catch (cause) {
    throw new Error(`log.audit: ${path} cannot be opened: ${(cause as Error).message}`, { cause });
  }
}
