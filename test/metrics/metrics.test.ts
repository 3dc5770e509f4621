import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { registry } from '../../src/metrics/exposition.ts';
import { freePort } from '../support/free-port.ts';
import { modernClient } from '../support/modern-client.ts';
import { startProgram } from '../support/program.ts';

const script = fileURLToPath(new URL('../support/children/server.mjs', import.meta.url));

/** Reads the text as strictly as the format 0.0.4 is written; throws at the first line that is not of it. */
function parse(text: string): Map<string, number> {
  assert.ok(text.endsWith('\n'), 'the last line ends with a line feed');
  const samples = new Map<string, number>();
  const types = new Map<string, string>();
  let family = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const meta = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)$/.exec(line);
    if (meta) {
      const [, kind, name = '', rest = ''] = meta;
      if (kind === 'TYPE') {
        assert.match(rest, /^(?:counter|gauge|histogram)$/);
        assert.ok(!types.has(name), `${name} is one family in one place`);
        types.set(name, rest);
        family = name;
      }
      continue;
    }
    const sample = /^([a-zA-Z_:][\w:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*"(?:,(?!\})|(?=\})))*\})? (\S+)$/.exec(
      line,
    );
    assert.ok(sample, `not a sample: ${line}`);
    const [, name = '', labels = '', value = ''] = sample;
    const stem = types.get(family) === 'histogram' ? name.replace(/_(?:bucket|sum|count)$/, '') : name;
    assert.equal(stem, family, 'samples stand below their TYPE');
    assert.ok(Number.isFinite(Number(value)), line);
    assert.ok(!samples.has(name + labels), `twice: ${line}`);
    samples.set(name + labels, Number(value));
  }
  return samples;
}

test('label values and help are escaped, and buckets are cumulative up to +Inf', () => {
  const known = registry();
  known.counter('a_total', 'line\nbreak \\', { label: 'quote " back \\ line \n' }).add();
  const histogram = known.histogram('b_seconds', 'b');
  for (const seconds of [0.003, 0.2, 99]) histogram.observe(seconds);
  const text = known.text([{ name: 'c', help: 'c', samples: [{ value: 1.5 }] }]);
  const samples = parse(text);
  assert.match(text, /^# HELP a_total line\\nbreak \\\\$/m);
  assert.equal(samples.get('a_total{label="quote \\" back \\\\ line \\n"}'), 1);
  assert.equal(samples.get('b_seconds_bucket{le="0.001"}'), 0);
  assert.equal(samples.get('b_seconds_bucket{le="0.005"}'), 1);
  assert.equal(samples.get('b_seconds_bucket{le="60"}'), 2);
  assert.equal(samples.get('b_seconds_bucket{le="+Inf"}'), 3);
  assert.equal(samples.get('b_seconds_count'), 3);
  assert.equal(samples.get('c'), 1.5);
});

/** What Prometheus itself says of it. */
function checkedByPrometheus(text: string, t: TestContext): void {
  const { error, status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
    input: text,
    encoding: 'utf8',
  });
  if (error !== undefined && process.env.CI !== 'true') {
    t.diagnostic('not checked by promtool, which is in the package prometheus');
    return;
  }
  assert.ifError(error);
  assert.deepEqual([status, stdout + stderr], [0, '']);
}

test('/metrics tells requests by router, service and code, children and the store, on its own address alone', async (t) => {
  const port = await freePort();
  const config = {
    entrypoints: { http: { listen: '127.0.0.1:0' } },
    metrics: { listen: `127.0.0.1:${port}` },
    mcpServers: {
      open: { command: process.execPath, args: [script], public: true },
      closed: { command: process.execPath, args: [script] },
    },
    routers: [{ name: 'site', rule: 'PathPrefix(`/site`)', service: 'site', auth: false }],
    services: { site: { servers: [{ url: 'http://127.0.0.1:1' }] } },
  };
  await using program = await startProgram({ config });
  const initialize = {
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
  };
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  const post = (path: string) =>
    fetch(program.url + path, { method: 'POST', headers, body: JSON.stringify(initialize) }).then((res) => res.text());
  await post('/open/mcp');
  await post('/closed/mcp');
  const redirect_uris = ['http://127.0.0.1:1/callback'];
  await fetch(`${program.url}/register`, { method: 'POST', headers, body: JSON.stringify({ redirect_uris }) });
  await fetch(program.url, { method: 'PROPFIND' });

  assert.equal((await fetch(`${program.url}/metrics`)).status, 404, 'not where clients are');
  const at = `http://127.0.0.1:${port}`;
  assert.equal((await fetch(`${at}/else`)).status, 404);
  assert.equal((await fetch(`${at}/metrics`, { method: 'POST' })).status, 405);
  const answer = await fetch(`${at}/metrics`);
  assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  const samples = parse(await answer.text());
  const is = (name: string, value: number) => assert.equal(samples.get(`mcp_gateway_${name}`), value, name);
  is('router_requests_total{router="open",service="open",code="200",method="POST",protocol="http"}', 1);
  is('service_requests_total{service="closed",code="401",method="POST",protocol="http"}', 1);
  is('service_request_duration_seconds_count{service="open",code="200",method="POST",protocol="http"}', 1);
  is('entrypoint_requests_total{entrypoint="http",code="404",method="EXTENSION_METHOD",protocol="http"}', 1);
  is('oauth_clients_registered_total', 1);
  is('children{server="open"}', 1);
  is('sessions{server="open"}', 1);
  is('children_started_total{server="open"}', 1);
  assert.ok((samples.get('mcp_gateway_store_operation_duration_seconds_count{operation="set"}') ?? 0) > 0);
  is('mcp_requests_total{server="open",method="initialize",outcome="ok"}', 1);
  is('service_server_up{service="site",url="http://127.0.0.1:1"}', 1);
  is('config_reloads_total', 0);
  assert.ok((samples.get('process_resident_memory_bytes') ?? 0) > 10_000_000);
  assert.equal(
    samples.get('mcp_gateway_config_last_reload_success'),
    samples.get('process_start_time_seconds'),
    'the configuration of the start',
  );

  // Neither a method nor a tool of a stranger's choosing becomes a series.
  const odd = { ...initialize, method: 'odd/method', params: {} };
  await (await fetch(`${program.url}/open/mcp`, { method: 'POST', headers, body: JSON.stringify(odd) })).text();
  await modernClient(`${program.url}/open/mcp`).request({ method: 'odd/method' });
  await modernClient(`${program.url}/open/mcp`).call('odd-tool');
  await program.reload(config);
  const text = await (await fetch(`${at}/metrics`)).text();
  assert.doesNotMatch(text, /odd/);
  const later = parse(text);
  assert.equal(later.get('mcp_gateway_mcp_requests_total{server="open",method="other",outcome="ok"}'), 1);
  assert.equal(later.get('mcp_gateway_config_reloads_total'), 1);
  checkedByPrometheus(text, t);
});
