/** No child outlives the gateway, however it dies: a shell beside it waits for its end and then ends what is left. */

import { type ChildProcess, spawn } from 'node:child_process';
import type { Log } from '../log.ts';

export interface Reaper extends AsyncDisposable {
  /** A process group that must end with the gateway. */
  add(group: number): void;
  /** The group has ended. */
  remove(group: number): void;
}

/**
 * Reads "+group" and "-group" lines. The pipe ends when the gateway does, also by SIGKILL; then every group still on the
 * list gets TERM and, those that are there two seconds later, KILL. It sits in a session of its own and ignores the
 * signals that a terminal or a service manager sends to everybody.
 */
const watchdog = `
trap '' HUP INT TERM PIPE
groups=' '
while read -r line; do
  group=\${line#?}
  case $line in
    +*) groups="$groups$group " ;;
    -*) case $groups in *" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;; esac ;;
  esac
done
left() {
  alive=''
  for group in $groups; do kill -0 -"$group" 2>/dev/null && alive="$alive $group"; done
  groups=$alive
  [ -n "$groups" ]
}
left || exit 0
for group in $groups; do kill -TERM -"$group" 2>/dev/null; done
sleep 1
left || exit 0
sleep 1
for group in $groups; do kill -KILL -"$group" 2>/dev/null; done
exit 0
`;

/** The shell starts with the first group and again should someone kill it. */
export function openReaper(log: Log): Reaper {
  const groups = new Set<number>();
  let shell: ChildProcess | undefined;
  let disposed = false;

  const start = () => {
    const started = spawn('/bin/sh', ['-c', watchdog], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: {},
    });
    shell = started;
    started.stdin?.on('error', () => {});
    started.once('error', (error) => log.error('children are not watched: the shell did not start', { error }));
    started.once('exit', () => {
      if (shell === started) shell = undefined;
      if (disposed || groups.size === 0) return;
      log.warn('the watchdog of the children ended; starting another');
      start();
    });
    for (const group of groups) tell(`+${group}`);
  };
  const tell = (line: string) => shell?.stdin?.write(`${line}\n`);

  return {
    add(group) {
      groups.add(group);
      if (shell) tell(`+${group}`);
      else start();
    },
    remove(group) {
      groups.delete(group);
      tell(`-${group}`);
    },
    async [Symbol.asyncDispose]() {
      disposed = true;
      const last = shell;
      if (last?.pid === undefined || last.exitCode !== null) return;
      const exited = new Promise((resolve) => last.once('exit', resolve));
      last.stdin?.end();
      await exited;
    },
  };
}
