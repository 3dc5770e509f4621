import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '../../src/config.ts';
import { trialOf } from '../../src/doctor/trial.ts';

test('a trial beside a running gateway listens on its own socket alone, and tells its collector nothing', () => {
  const config = loadConfig({
    env: {},
    overrides: {
      stateDir: '/nowhere',
      store: 'redis://127.0.0.1:1',
      storeKey: 'c3RvcmUga2V5IHRoYXQgbm9ib2R5IGlzIHRvbGQgb2Y',
      peers: { listen: '127.0.0.1:7946' },
      metrics: { listen: '127.0.0.1:9090' },
      tracing: { otlp: { http: { endpoint: 'http://127.0.0.1:4318/v1/traces' } } },
      mcpServers: { files: { command: 'true' } },
    },
  });
  const trial = trialOf(config, '/tmp/trial.sock');
  assert.deepEqual(trial.entrypoints, { http: { listen: 'unix:/tmp/trial.sock' } });
  assert.deepEqual(
    [trial.store, trial.stateDir, trial.peers, trial.metrics, trial.tracing],
    ['memory:', undefined, undefined, {}, undefined],
  );
});
