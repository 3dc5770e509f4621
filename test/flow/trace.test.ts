import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { initialized, type McpClient, mcpClient } from '../support/mcp-client.ts';
import { modernClient, modernScript } from '../support/modern-client.ts';
import { testGateway } from '../support/oauth-client.ts';
import { site } from '../support/site.ts';

const script = fileURLToPath(new URL('../support/children/server.mjs', import.meta.url));
const traceId = '0af7651916cd43dd8448eb211c80319c';
const sent = {
  traceparent: `00-${traceId}-b7ad6b7169203331-01`,
  tracestate: 'congo=t61rcWkgMzE',
  'x-request-id': 'asked-42',
};
const carried = new RegExp(`^00-${traceId}-(?!b7ad6b7169203331)[\\da-f]{16}-01$`);

test('one request is one id and one trace in the log, the answer, the headers of an upstream and the _meta of a child of either era', async () => {
  await using other = await site((req, res) => {
    res.setHeader('x-request-id', 'of the upstream').end(req.url);
  });
  const child = (path: string) => ({ command: process.execPath, args: [path], public: true });
  await using at = await testGateway({
    mcpServers: { legacy: child(script), modern: child(modernScript) },
    routers: [{ name: 'site', rule: 'PathPrefix(`/site`)', service: 'site', auth: false }],
    services: { site: { servers: [{ url: other.url }] } },
  });

  const passed = await fetch(`${at.url}/site`, { headers: sent });
  assert.equal(passed.headers.get('x-request-id'), 'asked-42');
  const { headers } = other.seen[0] ?? {};
  assert.match(String(headers?.traceparent), carried);
  assert.deepEqual([headers?.tracestate, headers?.['x-request-id']], ['congo=t61rcWkgMzE', 'asked-42']);
  const line = at
    .logged()
    .split('\n')
    .find((each) => each.includes('"path":"/site"'));
  const { requestId, traceId: logged } = JSON.parse(line ?? '{}');
  assert.deepEqual([requestId, logged], ['asked-42', traceId]);

  await (
    await fetch(`${at.url}/site`, { headers: { traceparent: 'faulty', tracestate: 'a=b', 'x-request-id': 'a b' } })
  ).text();
  const begun = other.seen[1]?.headers;
  assert.match(String(begun?.traceparent), /^00-[\da-f]{32}-[\da-f]{16}-01$/);
  assert.equal(begun?.tracestate, undefined);
  assert.equal(begun?.['x-request-id'], begun?.traceparent?.slice(36, 52), 'ours, which is that of the span');

  const metaOfLine = async (client: McpClient): Promise<Record<string, string>> => {
    Object.assign(client.headers, sent);
    const told = await client.call('line');
    return JSON.parse(told).params._meta;
  };
  const sessions = await metaOfLine(await initialized(`${at.url}/legacy/mcp`));
  assert.match(sessions.traceparent ?? '', carried);
  assert.equal(sessions.tracestate, 'congo=t61rcWkgMzE');
  const translated = await modernClient(`${at.url}/legacy/mcp`, sent).call('line');
  assert.match(JSON.stringify(translated.result), new RegExp(`traceparent.{5}00-${traceId}`));
  const stateless = await modernClient(`${at.url}/modern/mcp`, sent).call('meta');
  assert.match(JSON.stringify(stateless.result), new RegExp(`traceparent.{5}00-${traceId}`));
});

test('an answer that the gateway refuses before it is routed has an id too, and the access log tells the same', async () => {
  await using at = await testGateway();
  const refused = await mcpClient(`${at.url}/nowhere`).get();
  const id = refused.headers.get('x-request-id') ?? '';
  assert.match(id, /^[\da-f]{16}$/);
  assert.ok(at.logged().includes(`"requestId":"${id}"`));
});
