/** A machine of the test's own: this one's files under a layer that is thrown away, with systemd as the first process. */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

export interface Booted extends AsyncDisposable {
  /** Answers what the command printed. Rejects, with what it complained of, where it did not end with 0. */
  run(...command: string[]): Promise<string>;
  /** Its root directory, as this process sees it. */
  readonly root: string;
  /** Files and directories that it has and this machine has not, save for logs, locks and lists of packages. */
  added(): Promise<string[]>;
}

/** For `test`'s options: why there can be no such machine, which on CI is a failure instead. */
export const withoutSystemd =
  process.env.CI !== undefined || (process.getuid?.() === 0 && existsSync('/lib/systemd/systemd'))
    ? false
    : 'needs root and systemd: run the tests as root, after apt install systemd';

/**
 * All is mounted in a namespace of its own and goes with it. The layer is a tmpfs, since it cannot lie on another layer.
 * Nothing of the machine outside is reached: its settings in /proc and /sys are for reading, its services stay down.
 */
const boot = `
mount -t tmpfs tmpfs "$1/layer"
cd "$1/layer"
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
cp "$1"/booted.* root/etc/systemd/system/
cd root
rm -rf etc/systemd/system/*.wants
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount --rbind /dev dev
mkdir run/upper
mount --bind ../upper run/upper
touch run/up
mount --bind "$1/up" run/up
if [ -d /sys/fs/cgroup/systemd ]; then
  mount -t tmpfs tmpfs sys/fs/cgroup
  mkdir sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
else
  mount -t cgroup2 cgroup2 sys/fs/cgroup
fi
ip link set lo up
exec env -i container=test PATH="$PATH" chroot . /lib/systemd/systemd --system --unit=booted.target --log-target=null
`;

/** Its last unit at start tells through a named pipe. */
const units = {
  'booted.target': '[Unit]\nRequires=basic.target booted.service\nAfter=basic.target\n',
  'booted.service': '[Unit]\nAfter=basic.target\n[Service]\nType=oneshot\nExecStart=/bin/sh -c "echo up >/run/up"\n',
};

export async function bootedMachine(): Promise<Booted> {
  const directory = mkdtempSync(join(tmpdir(), 'mcp-gateway-machine-'));
  mkdirSync(join(directory, 'layer'));
  for (const [name, unit] of Object.entries(units)) writeFileSync(join(directory, name), unit);
  const pipe = join(directory, 'up');
  execFileSync('mkfifo', [pipe]);
  const spaces = ['--mount', '--pid', '--cgroup', '--net', '--uts', '--ipc', '--fork', '--kill-child=KILL'];
  const machine = spawn('unshare', [...spaces, 'sh', '-ec', boot, 'sh', directory], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const complaint = text(machine.stderr);
  const ended = once(machine, 'close');
  const up = spawn('cat', [pipe], { stdio: ['ignore', 'pipe', 'ignore'] });
  const failed = ended.then(async () => Promise.reject(new Error(`systemd did not come up: ${await complaint}`)));
  failed.catch(() => {});
  await Promise.race([once(up.stdout, 'data'), failed]).finally(() => up.kill());
  const first = readFileSync(`/proc/${machine.pid}/task/${machine.pid}/children`, 'utf8').trim();

  const run = async (...command: string[]) => {
    const words = ['--target', first, '--all', '--root', '--wd', ...command];
    const child = spawn('nsenter', words, { stdio: ['ignore', 'pipe', 'pipe'] });
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${err}${out}`);
    return out;
  };
  const root = `/proc/${first}/root`;
  const known =
    /^(run|tmp|dev|proc|sys|var\/log|var\/lib\/(dpkg|systemd|apt)|var\/cache\/(ldconfig|man|apt|debconf))(\/|$)/;
  return {
    run,
    root,
    async added() {
      const found = execFileSync('find', ['.', '-not', '-type', 'c', '-printf', '%P\\n'], {
        cwd: join(root, 'run/upper'),
        encoding: 'utf8',
        maxBuffer: 64 * 1024 * 1024,
      });
      return found.split('\n').filter((path) => path !== '' && !known.test(path) && !existsSync(join('/', path)));
    },
    async [Symbol.asyncDispose]() {
      machine.kill('SIGKILL');
      await ended;
      rmSync(directory, { recursive: true });
    },
  };
}
