import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readBody } from '../../src/mcp/message.ts';
import { isModern, metaKey, modernCode, statusOf } from '../../src/mcp/modern-revision.ts';

test('TR-50: the era of a request is what its body says; a header speaks only where the body is silent', () => {
  const message = (method: string, version?: string) => ({
    jsonrpc: '2.0',
    id: 1,
    method,
    params: version === undefined ? {} : { _meta: { [metaKey.protocolVersion]: version } },
  });
  const cases: readonly [object, string | undefined, boolean][] = [
    [message('tools/list', '2026-07-28'), '2026-07-28', true],
    [message('tools/list', '2026-07-28'), undefined, true],
    [message('tools/list', '2026-07-28'), '2025-11-25', true],
    [message('tools/list', '1900-01-01'), '1900-01-01', true],
    [message('tools/list'), '2026-07-28', true],
    [message('tools/list'), '2025-11-25', false],
    [message('tools/list'), undefined, false],
    [message('initialize'), '2026-07-28', false],
    [message('initialize', '2026-07-28'), '2026-07-28', true],
    [{ jsonrpc: '2.0', id: 1, result: {} }, '2026-07-28', true],
    [{ jsonrpc: '2.0', id: 1, result: {} }, '2025-11-25', false],
    [[message('tools/list', '2026-07-28'), message('tools/list', '2026-07-28')], '2025-03-26', false],
  ];
  for (const [body, header, modern] of cases) {
    const { messages } = readBody(Buffer.from(JSON.stringify(body)));
    const headers = header === undefined ? {} : { 'mcp-protocol-version': header };
    assert.equal(isModern(messages, headers), modern, `${JSON.stringify(body)} ${header}`);
  }
});

test('TR-30, TR-31: error codes of the protocol decide the status; what a handler says is an answer like any other', () => {
  for (const [code, status] of [
    [-32601, 404],
    [modernCode.headerMismatch, 400],
    [modernCode.missingCapability, 400],
    [modernCode.unsupportedVersion, 400],
    [-32600, 400],
    [-32602, 200],
    [-32603, 200],
    [17, 200],
  ] as const) {
    assert.equal(statusOf({ code, message: '' }), status, String(code));
  }
  assert.equal(statusOf(undefined), 200);
});
