/** A program under test: started, waited for, measured in /proc, ended. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface Running extends AsyncDisposable {
  readonly pid: number;
  /** Seconds of user and system time used so far, by it and, unless it is measured alone, by what it started. */
  cpu(): number;
  /** Resident bytes of the process itself. */
  memory(): number;
  /** Milliseconds from the start until it was ready. */
  readonly readyAfter: number;
  readonly process: ChildProcess;
}

export interface StartOptions {
  /** It is ready when something listens there. */
  readonly port?: number;
  /** It is ready when its standard output says so. */
  readonly says?: RegExp;
  /** What it starts is not part of what is measured. */
  readonly alone?: boolean;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

const patience = 20_000;
/** Of /proc/PID/stat; 100 wherever Linux runs today. */
const ticksPerSecond = 100;

/** Rejects with the end of its stderr where it ends or is not ready in time. */
export async function start(command: string, args: readonly string[], options: StartOptions): Promise<Running> {
  const from = performance.now();
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(options.env !== undefined && { env: options.env }),
  });
  let told = '';
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    told = (told + text).slice(-2000);
  });
  const ended = once(child, 'close');
  const stop = async () => {
    child.kill('SIGTERM');
    if (child.exitCode === null && child.signalCode === null) {
      const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
      await ended;
      clearTimeout(timer);
    }
  };
  const failed = ended.then(() => Promise.reject(new Error(`${command} ended: ${told || said}`)));
  const ready = new Promise<void>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-2000);
      if (options.says?.test(said)) resolve();
    });
    if (options.port !== undefined) listening(options.port, child).then(resolve, () => {});
  });
  const late = delay(patience, undefined, { ref: false }).then(() =>
    Promise.reject(new Error(`${command} is not ready: ${told || said}`)),
  );
  try {
    await Promise.race([ready, failed, late]);
  } catch (error) {
    await stop();
    throw error;
  }
  failed.catch(() => {});
  late.catch(() => {});
  const pid = child.pid ?? 0;
  return {
    pid,
    process: child,
    readyAfter: performance.now() - from,
    cpu: () => (options.alone ? ownTime(pid) : family(pid).reduce((sum, { seconds }) => sum + seconds, 0)),
    memory: () => residentBytes(pid),
    [Symbol.asyncDispose]: stop,
  };
}

async function listening(port: number, child: ChildProcess): Promise<void> {
  while (child.exitCode === null && child.signalCode === null) {
    const socket = connect(port, '127.0.0.1');
    const open = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (open) return;
    await delay(20);
  }
}

function residentBytes(pid: number): number {
  const [, pages = '0'] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ');
  return Number(pages) * 4096;
}

interface Stat {
  readonly pid: number;
  readonly parent: number;
  /** Its own, and that of children which have ended. */
  readonly seconds: number;
}

/** proc(5), /proc/PID/stat: utime and stime are fields 14 and 15. */
function ownTime(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** proc(5), /proc/PID/stat: parent is field 4, utime, stime, cutime and cstime are 14 to 17. */
function statOf(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    return { pid, parent: Number(fields[1]), seconds: ticks / ticksPerSecond };
  } catch {
    return undefined;
  }
}

/** A process and all its descendants. */
function family(root: number): Stat[] {
  const all = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? (statOf(Number(name)) ?? []) : []));
  const found = all.filter(({ pid }) => pid === root);
  for (const one of found) found.push(...all.filter(({ parent }) => parent === one.pid));
  return found;
}
