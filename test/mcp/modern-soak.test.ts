import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { alive, bridged, eventually } from '../support/bridged.ts';
import { modernClient, modernScript, type Sent } from '../support/modern-client.ts';

const seconds = Number(process.env.SOAK_SECONDS ?? 2);
const everything = { elicitation: {}, sampling: {}, roots: {} };
const tool = (name: string, args: object = {}): Sent => ({ method: 'tools/call', params: { name, arguments: args } });

const legacy: readonly Sent[] = [
  tool('echo', { text: 'x' }),
  tool('never'),
  tool('sleep', { ms: 5 }),
  tool('twice'),
  tool('unknown'),
  tool('big', { bytes: 300_000 }),
  tool('crash'),
  { ...tool('ask', { method: 'roots/list' }), capabilities: everything },
  { ...tool('ask', { method: 'elicitation/create' }), capabilities: everything },
  {
    method: 'subscriptions/listen',
    params: { notifications: { toolsListChanged: true, resourceSubscriptions: ['a://b'] } },
  },
];
const modern: readonly Sent[] = [
  tool('echo', { text: 'x' }),
  tool('hang'),
  tool('exit'),
  tool('ask'),
  tool('progress', { count: 50 }),
  { method: 'subscriptions/listen', params: { notifications: { toolsListChanged: true } } },
];

for (const isolation of ['caller', 'shared'] as const) {
  for (const [era, mix] of Object.entries({ legacy, modern })) {
    test(`after clients that vanish, servers that crash and questions nobody answers nothing is left (${era}, ${isolation})`, async () => {
      const config = { isolation, idleTimeout: '300ms', requestTimeout: '3s', maxChildren: 8 };
      const own = era === 'modern' ? { args: [modernScript] } : {};
      const at = await bridged({ config: { ...config, ...own }, limits: { childGrace: 0.1, keepAlive: 0.1 } });
      const until = Date.now() + seconds * 1000;
      const pids = new Set<number>();
      const statuses = new Map<number, number>();
      const visitor = async (user: string) => {
        const client = modernClient(at.url, { 'x-test-user': user });
        while (Date.now() < until) {
          const chosen = mix[randomInt(mix.length)] ?? tool('echo');
          // Rare, or the server that all share would soon be left alone for minutes.
          const fatal = chosen.params?.name === 'crash' || chosen.params?.name === 'exit';
          const sent = fatal && randomInt(30) > 0 ? tool('echo', { text: 'y' }) : chosen;
          const signal = AbortSignal.timeout(randomInt(1, 120));
          const response = await client.post({ ...sent, signal }).catch(() => undefined);
          if (response) statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
          await response?.text().catch(() => undefined);
          for (const { pid } of at.bridge.status().children) pids.add(pid);
        }
      };
      await Promise.all(Array.from({ length: 8 }, (_, i) => visitor(`user${i % 3}`)));
      assert.ok(
        [...statuses.keys()].every((status) => [200, 429, 502, 503, 504].includes(status)),
        [...statuses].join(' '),
      );
      await eventually('every process is gone', () => at.bridge.status().children.length === 0, 20_000);
      assert.ok([...pids].every((pid) => !alive(pid)));
      await at[Symbol.asyncDispose]();
    });
  }
}
