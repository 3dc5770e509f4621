import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');
const files = globSync('src/**/*.{ts,js}', { cwd: root });

/** Which places each place may import from; every place may import from itself and from `anyone`. */
const anyone = ['src/log.ts', 'src/pretty-log.ts', 'src/units.ts', 'src/version.ts'];
const rooms = ['src/router', 'src/oauth', 'src/tls', 'src/mcp', 'src/console', 'src/store'];
const allowed: Record<string, readonly string[]> = {
  'src/cli.ts': ['src/commands'],
  'src/commands': [
    'src/admin',
    'src/audit-log.ts',
    'src/gathered-lines.ts',
    'src/connect',
    'src/doctor',
    'src/config.ts',
    'src/config-file.ts',
    'src/gateway.ts',
    'src/gateway-status.ts',
    'src/plan.ts',
    'src/timeline.ts',
    ...rooms,
  ],
  'src/doctor': ['src/config.ts', 'src/gateway.ts', 'src/gateway-status.ts', 'src/hosts.ts', 'src/plan.ts', ...rooms],
  'src/connect': ['src/config.ts', 'src/mcp', 'src/store/store.ts'],
  'src/admin': ['src/gateway.ts', 'src/gateway-status.ts', 'src/plan.ts', ...rooms],
  'src/gateway.ts': [
    'src/config.ts',
    'src/metrics',
    'src/peers.ts',
    'src/gateway-status.ts',
    'src/hosts.ts',
    'src/plan.ts',
    'src/timeline.ts',
    'src/tracing',
    ...rooms,
  ],
  'src/tracing': ['src/router/access-log.ts', 'src/router/handler.ts', 'src/router/trace-context.ts'],
  'src/timeline.ts': ['src/router/access-log.ts', 'src/router/handler.ts'],
  'src/hosts.ts': ['src/config.ts', 'src/router/configured-routes.ts'],
  'src/gateway-status.ts': ['src/plan.ts', ...rooms],
  'src/plan.ts': ['src/config.ts', 'src/hosts.ts', 'src/peers.ts', 'src/tracing', ...rooms],
  'src/peers.ts': ['src/router', 'src/store/store.ts'],
  'src/config.ts': [
    'src/config-file.ts',
    'src/log-config.ts',
    'src/nearest-name.ts',
    'src/metrics/config.ts',
    'src/tracing/config.ts',
    ...rooms.map((room) => `${room}/config.ts`),
  ],
  'src/metrics': ['src/gateway-status.ts', 'src/router/access-log.ts', 'src/router/handler.ts', 'src/store/store.ts'],
  'src/config-file.ts': [],
  'src/log-config.ts': [],
  'src/nearest-name.ts': [],
  'src/router': ['src/store/store.ts'],
  'src/oauth': ['src/router/handler.ts', 'src/store/store.ts', 'src/store/lock.ts'],
  'src/tls': ['src/router/handler.ts', 'src/store/store.ts', 'src/store/sealed.ts'],
  'src/mcp': ['src/router/handler.ts', 'src/store/store.ts'],
  'src/console/browser': ['src/console/state.ts', 'src/console/views.ts'],
  'src/console': ['src/router/handler.ts', 'src/store/store.ts'],
  'src/store': [],
  'src/log.ts': [],
  'src/pretty-log.ts': [],
  'src/audit-log.ts': [],
  'src/gathered-lines.ts': [],
  'src/units.ts': [],
  'src/version.ts': [],
};

const within = (file: string, place: string) => file === place || file.startsWith(`${place}/`);

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found = text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g);
  return [...found].map(([, target = '']) => relative(root, join(root, dirname(file), target)));
}

test('imports point one way: verbs → gateway → rooms → store, and rooms never know each other', () => {
  const violations = files.flatMap((file) => {
    const place = Object.keys(allowed).find((candidate) => within(file, candidate));
    assert.ok(place !== undefined, `${file} stands in no room that test/architecture.test.ts knows`);
    const open = [place, ...anyone, ...(allowed[place] ?? [])];
    return importsOf(file)
      .filter((target) => !open.some((candidate) => within(target, candidate)))
      .map((target) => `${file} → ${target}`);
  });
  assert.deepEqual(violations, []);
});

test('a file is one thing of at most 300 lines', () => {
  const long = files
    .map((file) => ({ file, lines: readFileSync(join(root, file), 'utf8').split('\n').length - 1 }))
    .filter(({ lines }) => lines > 300);
  assert.deepEqual(long, []);
});

test('no file hides behind a name that says nothing', () => {
  const vague = files.filter((file) => /\/(utils?|helpers?|types|index|common)\.ts$/.test(file));
  assert.deepEqual(vague, []);
});
