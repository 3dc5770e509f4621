// What no server should do, in either era.

import { spawn } from 'node:child_process';

/** Neither reads, nor answers, nor ends at TERM. Resolves never, because nothing goes on until it is killed. */
export const freeze = () => {
  process.kill(process.pid, 'SIGSTOP');
  return new Promise(() => {});
};

/** Lines on stdout that are no messages. */
export const noise = (count) => process.stdout.write('lorem ipsum dolor\n'.repeat(count));

/** A grandchild; `deaf` ignores TERM. Resolves with its process id. */
export const fork = (deaf) => {
  const ignore = deaf ? "process.on('SIGTERM',()=>{});" : '';
  const child = spawn(process.execPath, ['-e', `${ignore}console.log('up');setInterval(()=>{},1000)`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return new Promise((resolve) => child.stdout.once('data', () => resolve(String(child.pid))));
};
