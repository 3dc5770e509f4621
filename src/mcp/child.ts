/** One process that speaks JSON-RPC in lines. It knows messages and signals, and nothing of HTTP or of either era. */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../log.ts';
import type { Command } from './environment.ts';
import { lines } from './lines.ts';
import { errorResponse, type Id, idOfEdges, type Message, readLine, rpcCode } from './message.ts';
import type { Reaper } from './reaper.ts';
import { drainStderr } from './stderr-log.ts';

export interface ChildEvents {
  message(message: Message): void;
  /** Once. Nothing comes after it, and nothing sent will be read. */
  ended(ending: Ending): void;
}

export interface Ending {
  /** One sentence for people. */
  readonly reason: string;
  /** The gateway ended it. */
  readonly expected: boolean;
  readonly stderr: readonly string[];
  /** The request that the server refused to take with it, so that it may be sent to another. */
  readonly refused?: Id;
}

export interface Child {
  /** Absent where it is no process but a connection. */
  readonly pid?: number;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** Whom events go to; before that, and for nobody, they are dropped. */
  listen(events: ChildEvents): void;
  /** Writes one message. */
  send(line: Buffer): void;
  /** Bytes it has not read yet. */
  backlog(): number;
  /** True stops reading from it, so that it waits for us. */
  hold(on: boolean): void;
  /** Somebody waited for it in vain: it is asked this, and where it says nothing at all for `silence` it is at fault. */
  suspect(question: Buffer): void;
  /** Whether it has ever said something that is a message. */
  spoke(): boolean;
  /** It has failed or ended; sending is in vain. */
  over(): boolean;
  /** Resolves when the process and its group are gone. */
  readonly gone: Promise<void>;
  /** Closes its input, waits, TERM to its group, waits, KILL. Resolves when the group is gone; never rejects. */
  end(reason?: string): Promise<void>;
}

export interface ChildOptions {
  readonly log: Log;
  readonly reaper: Reaper;
  /** Bytes of the longest message. */
  readonly message: number;
  /** Seconds between the steps of the end. */
  readonly grace: number;
  /** Seconds that it may take for a sign of life. */
  readonly silence: number;
}

/** The command could not be started at all. */
export class SpawnFailure extends Error {
  override readonly name = 'SpawnFailure';
}

const lineEnd = Buffer.from('\n');

/** Lines of stdout in a row that are no messages; more is no longer a banner but another kind of program. */
const noiseLimit = 1000;

/** Rejects with SpawnFailure. */
export async function startChild(command: Command, options: ChildOptions): Promise<Child> {
  const running = launch(command);
  const group = running.pid;
  // Before anything is awaited: from here on the gateway may be killed at any moment.
  if (group !== undefined) options.reaper.add(group);
  await new Promise<void>((resolve, reject) => {
    running.once('spawn', resolve);
    running.once('error', (error: NodeJS.ErrnoException) => reject(spawnFailure(command, error)));
  });
  if (group === undefined) throw new SpawnFailure(`cannot start ${command.command}`);
  return attend(running, group, { ...options, log: options.log.with({ pid: group }) });
}

type Process = ChildProcessByStdio<Writable, Readable, Readable>;

/** ST-20: argv as configured, no shell; a session and group of its own, so that signals reach what it starts too. */
function launch(command: Command): Process {
  try {
    return spawn(command.command, [...command.args], {
      cwd: command.cwd,
      env: { ...command.env },
      detached: true,
      shell: false,
      windowsHide: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  } catch (error) {
    throw spawnFailure(command, error as NodeJS.ErrnoException);
  }
}

function spawnFailure({ command, cwd }: Command, error: NodeJS.ErrnoException): SpawnFailure {
  const why: Record<string, string> = {
    ENOENT:
      cwd === undefined ? 'there is no such program on the PATH' : `there is no such program, or no directory ${cwd}`,
    EACCES: 'it may not be executed',
    EAGAIN: 'the system allows no more processes',
    EMFILE: 'the gateway has no more file descriptors',
    ENOMEM: 'there is not enough memory',
  };
  return new SpawnFailure(`cannot start ${command}: ${why[error.code ?? ''] ?? error.message}`, { cause: error });
}

function attend(running: Process, group: number, options: ChildOptions): Child {
  const { stdin, stdout, stderr } = running;
  const { log, reaper, grace } = options;
  const lastLines = drainStderr(stderr, log);
  let events: ChildEvents | undefined;
  let spoke = false;
  let noise = 0;
  let ending: string | undefined;
  let fault: string | undefined;
  let over = false;
  let doubt: NodeJS.Timeout | undefined;

  const exited = new Promise<string>((resolve) => {
    running.once('exit', (code, signal) => resolve(signal ? `was killed by ${signal}` : `exited with code ${code}`));
  });
  const closed = new Promise<void>((resolve) => running.once('close', () => resolve()));

  const tell = (how: string) => {
    if (over) return;
    over = true;
    clearTimeout(doubt);
    events?.ended({
      reason: fault ?? ending ?? `the server ${how}`,
      expected: fault === undefined && ending !== undefined,
      stderr: lastLines(),
    });
  };

  /** What it said last is still read; a grandchild that keeps its stdout open does not delay the verdict. */
  const gone = exited.then(async (how) => {
    await soonest(closed, 250);
    stdout.destroy();
    stderr.destroy();
    stdin.destroy();
    tell(how);
    await sweep(group, grace);
    reaper.remove(group);
    log.debug('child ended', { how });
  });

  const end = async (reason = 'the server was stopped') => {
    if (ending === undefined) {
      ending = reason;
      stdout.resume();
      stdin.end();
      // MCP 2025-11-25 lifecycle, shutdown over stdio: close its input, wait, TERM, wait, KILL.
      if (!(await soonest(exited, grace * 1000))) signal(group, 'SIGTERM');
      if (!(await soonest(exited, grace * 1000))) signal(group, 'SIGKILL');
    }
    await gone;
  };

  const fail = (reason: string) => {
    if (fault !== undefined || ending !== undefined) return;
    fault = reason;
    log.warn('child at fault', { reason });
    tell(reason);
    void end();
  };

  /** What one server says never ends the gateway, and with it all others. */
  const hear = (message: Message) => {
    try {
      events?.message(message);
    } catch (error) {
      log.error('bug', { error });
      fail('the gateway failed at what the server said');
    }
  };

  const framer = lines(options.message, {
    line(line) {
      if (over) return;
      const message = readLine(line);
      if (message) {
        spoke = true;
        noise = 0;
        hear(message);
        return;
      }
      if (noise++ === 0) log.warn('stdout line that is no message', { line: line.toString('utf8', 0, 200) });
      if (noise >= noiseLimit) fail('the server prints something else than MCP');
    },
    overflow({ head, tail, size }) {
      if (over) return;
      const id = idOfEdges(head.toString('utf8'), tail.toString('utf8'));
      if (id === undefined)
        return fail(`the server sent a message of ${size} bytes, more than the ${options.message} allowed`);
      const text = `the server's answer has ${size} bytes, more than the ${options.message} allowed`;
      const bytes = errorResponse(id, rpcCode.internalError, text);
      hear({ kind: 'response', id, error: JSON.parse(bytes.toString()).error, bytes });
    },
  });
  const trust = () => {
    clearTimeout(doubt);
    doubt = undefined;
  };
  stdout.on('data', trust).on('data', (chunk: Buffer) => framer.push(chunk));
  // ST-06: a server may close its stdout without exiting; nothing more can come of it.
  stdout.on('end', () => {
    framer.end();
    void soonest(exited, 250).then((is) => is || fail('the server closed its output'));
  });
  stdout.on('error', () => fail('the server closed its output'));
  stdin.on('error', () => void soonest(exited, 250).then((is) => is || fail('the server closed its input')));

  const send = (line: Buffer) => {
    if (over || ending !== undefined) return;
    // One chunk, so that it leaves in one system call.
    stdin.write(Buffer.concat([line, lineEnd]));
  };

  return {
    pid: group,
    startedAt: Date.now(),
    listen(to) {
      events = to;
    },
    send,
    backlog: () => stdin.writableLength,
    hold(on) {
      // Whom nobody reads cannot be heard.
      if (on) trust();
      if (on) stdout.pause();
      else stdout.resume();
    },
    suspect(question) {
      if (over || ending !== undefined || doubt || stdout.isPaused()) return;
      send(question);
      doubt = setTimeout(() => fail('the server hangs: it answers nothing any more'), options.silence * 1000);
    },
    spoke: () => spoke,
    over: () => over || ending !== undefined,
    gone,
    end,
  };
}

/** Ends those of the group that outlive its leader. */
async function sweep(group: number, grace: number): Promise<void> {
  if (!signal(group, 'SIGTERM')) return;
  const until = Date.now() + grace * 1000;
  while (Date.now() < until) {
    await delay(25);
    if (!signal(group, 0)) return;
  }
  signal(group, 'SIGKILL');
}

/** False when nobody is left in the group. */
function signal(group: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-group, name);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Whether the promise settled within so many milliseconds. */
async function soonest(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  const stop = new AbortController();
  const timeout = delay(milliseconds, false, { signal: stop.signal }).catch(() => false);
  const first = await Promise.race([promise.then(() => true), timeout]);
  stop.abort();
  return first;
}
