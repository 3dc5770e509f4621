import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { overheard, silent } from '../../src/log.ts';
import { otlpExporter, type SpanData } from '../../src/tracing/otlp-exporter.ts';
import { eventually } from '../support/bridged.ts';
import { collector } from '../support/collector.ts';
import { initialized } from '../support/mcp-client.ts';
import { testGateway } from '../support/oauth-client.ts';
import { site } from '../support/site.ts';

const script = fileURLToPath(new URL('../support/children/server.mjs', import.meta.url));

const told = ({ attributes }: SpanData): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

test('OTLP: a request is a span of the client’s trace, with one for the guard, and one for the service that is the parent of what the service sees', async () => {
  await using collected = await collector();
  await using other = await site((_req, res) => res.writeHead(503).end('no'));
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const traced = { traceparent: `00-${traceId}-b7ad6b7169203331-01`, tracestate: 'a=b' };
  {
    await using at = await testGateway({
      tracing: {
        serviceName: 'door',
        resourceAttributes: { 'deployment.environment.name': 'test' },
        otlp: { http: { endpoint: `${collected.site.url}/v1/traces`, headers: { 'x-api-key': 'for the collector' } } },
      },
      mcpServers: {
        files: { command: process.execPath, args: [script], public: true },
        closed: { command: process.execPath, args: [script] },
      },
      routers: [{ name: 'site', rule: 'PathPrefix(`/site`)', service: 'site', auth: false }],
      services: { site: { servers: [{ url: other.url }] } },
    });
    await (await fetch(`${at.url}/site?code=secret&page=2`, { headers: traced })).text();
    await (await fetch(`${at.url}/closed/mcp`, { method: 'POST', headers: traced })).text();
    const client = await initialized(`${at.url}/files/mcp`);
    await client.call('echo', { text: 'not for the collector' });
    await (
      await fetch(`${at.url}/unsampled`, { headers: { traceparent: `00-${traceId}-b7ad6b7169203331-00` } })
    ).text();
  }
  const { spans, site: at, bodies } = collected;
  const named = (name: string) => spans.filter((span) => span.name === name);
  const [request] = named('GET site');
  const [service] = named('site');
  assert.ok(request && service);
  assert.deepEqual([request.traceId, request.parentSpanId, request.kind], [traceId, 'b7ad6b7169203331', 2]);
  assert.deepEqual([service.traceId, service.parentSpanId, service.kind], [traceId, request.spanId, 3]);
  assert.deepEqual([request.traceState, request.status, service.status], ['a=b', { code: 2 }, { code: 2 }]);
  assert.equal(other.seen[0]?.headers.traceparent, `00-${traceId}-${service.spanId}-01`);
  assert.deepEqual(
    ['http.request.method', 'http.route', 'http.response.status_code', 'url.path', 'url.query', 'client.address'].map(
      (key) => told(request)[key],
    ),
    ['GET', 'site', '503', '/site', 'code=[redacted]&page=2', '127.0.0.1'],
  );
  assert.ok(BigInt(request.endTimeUnixNano) > BigInt(request.startTimeUnixNano));
  assert.deepEqual(
    named('guard').map(({ parentSpanId, status }) => [parentSpanId, status]),
    [[named('POST closed')[0]?.spanId, { code: 2 }]],
  );
  const call = named('POST files').find((span) => told(span)['gen_ai.tool.name'] === 'echo');
  assert.equal(told(call as SpanData)['mcp.method.name'], 'tools/call');
  assert.equal(named('GET').length, 0, 'what the client does not record is not recorded here');
  assert.deepEqual([at.seen[0]?.method, at.seen[0]?.url], ['POST', '/v1/traces']);
  assert.deepEqual(
    [at.seen[0]?.headers['content-type'], at.seen[0]?.headers['x-api-key']],
    ['application/json', 'for the collector'],
  );
  const text = JSON.stringify(bodies);
  assert.ok(text.includes('"key":"service.name","value":{"stringValue":"door"}'));
  assert.ok(text.includes('deployment.environment.name'));
  for (const secret of ['not for the collector', 'code=secret', 'for the collector'])
    assert.ok(!text.includes(secret), secret);
});

test('sampleRate 0 records no trace that begins here, and says so behind the gateway', async () => {
  await using collected = await collector();
  await using other = await site((_req, res) => res.end('ok'));
  {
    await using at = await testGateway({
      tracing: { sampleRate: 0, otlp: { http: { endpoint: collected.site.url } } },
      routers: [{ name: 'site', rule: 'PathPrefix(`/site`)', service: 'site', auth: false }],
      services: { site: { servers: [{ url: other.url }] } },
    });
    await (await fetch(`${at.url}/site`)).text();
    assert.match(String(other.seen[0]?.headers.traceparent), /-00$/);
  }
  assert.deepEqual(collected.spans, []);
});

const span = (name: string): SpanData => ({
  traceId: '1'.repeat(32),
  spanId: '1'.repeat(16),
  parentSpanId: undefined,
  traceState: undefined,
  name,
  kind: 1,
  startTimeUnixNano: '1000',
  endTimeUnixNano: '2000',
  attributes: [],
  status: {},
});

function exporting(endpoint: string) {
  const heard: string[] = [];
  const log = overheard(silent, (_level, event) => heard.push(event));
  const scope = { name: 'test', version: '1' };
  return { heard, exporter: otlpExporter({ endpoint, headers: {}, resource: [], scope, log, interval: 20 }) };
}

test('a batch that the collector cannot take now is sent again, one that it refuses is not, and trouble is told once', async () => {
  await using collected = await collector();
  collected.statuses.push(503, 429, 400);
  const { exporter, heard } = exporting(collected.site.url);
  exporter.add(span('refused in the end'));
  await eventually('three attempts', () => collected.bodies.length === 3);
  exporter.add(span('taken'));
  await eventually('it is there', () => collected.spans.length === 1);
  await exporter[Symbol.asyncDispose]();
  assert.equal(collected.spans[0]?.name, 'taken');
  assert.deepEqual(heard, ['traces do not reach their collector', 'traces reach their collector again']);
});

test('while nobody collects, the queue is bounded and the oldest go; a stop waits for nobody', async () => {
  const { exporter, heard } = exporting('http://127.0.0.1:1/v1/traces');
  for (let times = 0; times < 10_000; times += 1) exporter.add(span(`${times}`));
  await eventually('the collector is missed', () => heard.length > 0);
  await exporter[Symbol.asyncDispose]();
  assert.deepEqual(heard, ['traces do not reach their collector']);
});

test('a stop sends what is queued, the newest of more than the queue holds', async () => {
  await using collected = await collector();
  const { exporter } = exporting(collected.site.url);
  for (let times = 0; times < 5000; times += 1) exporter.add(span(`${times}`));
  await exporter[Symbol.asyncDispose]();
  const names = collected.spans.map(({ name }) => Number(name));
  assert.equal(names.at(-1), 4999);
  assert.ok(names.length >= 2048 && names.length < 5000, String(names.length));
});
