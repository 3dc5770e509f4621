import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { type Request, readBody } from '../../src/mcp/message.ts';
import { type Mirrored, mirroredFault, mirroredOf, standardFault } from '../../src/mcp/mirrored-headers.ts';

const wrapped = (text: string) => `=?base64?${Buffer.from(text).toString('base64')}?=`;
/** As a client has to encode it (2026-07-28 streamable HTTP, value encoding). */
const encoded = (text: string) =>
  /^[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?$/.test(text) && !/^=\?base64\?.*\?=$/.test(text) ? text : wrapped(text);

function call(name: string, args: object = {}): Request {
  const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args } };
  const [message] = readBody(Buffer.from(JSON.stringify(body))).messages;
  assert.ok(message?.kind === 'request');
  return message;
}

const pieces = [
  'a',
  'B',
  ' ',
  '\t',
  'ü',
  '世',
  '🚀',
  '=?base64?',
  '?=',
  ',',
  ';',
  '"',
  '\\',
  '\n',
  '\0',
  '=',
  '0',
  '\u202e',
];
const anyText = () => Array.from({ length: randomInt(1, 8) }, () => pieces[randomInt(pieces.length)]).join('');

test('TR-27, TR-28: any name that is encoded as it must be is accepted, and no other name passes for it', () => {
  for (let i = 0; i < 5000; i++) {
    const [name, other] = [anyText(), anyText()];
    const headers = (of: string) => ({ 'mcp-method': 'tools/call', 'mcp-name': of });
    assert.equal(standardFault(call(name), headers(encoded(name))), undefined, JSON.stringify(name));
    assert.equal(standardFault(call(name), headers(wrapped(name))), undefined, JSON.stringify(name));
    if (name !== other) assert.ok(standardFault(call(name), headers(encoded(other))), JSON.stringify([name, other]));
  }
});

test('TR-28: a value that needs no wrapper but is not what a header may hold is refused, whatever the body says', () => {
  for (const name of ['ü', 'a\u007f', 'a\u0001', '\u00a0']) {
    assert.ok(standardFault(call(name), { 'mcp-method': 'tools/call', 'mcp-name': name }), JSON.stringify(name));
  }
  // RFC 9110 §5.5: only space and tab around a value are not part of it.
  assert.ok(standardFault(call('a'), { 'mcp-method': 'tools/call', 'mcp-name': 'a\u00a0' }));
  assert.equal(standardFault(call('a'), { 'mcp-method': 'tools/call', 'mcp-name': ' a\t' }), undefined);
});

test('TR-29: annotations are read along properties alone, and not at all where one of them is not as it must be', () => {
  const at = (name: unknown) => ({ type: 'string', 'x-mcp-header': name });
  const of = (properties: object, more: object = {}) => mirroredOf({ type: 'object', properties, ...more });
  const names = (found: readonly Mirrored[]) => found.map(({ name, path }) => `${name}=${path.join('.')}`);
  assert.deepEqual(names(of({ a: at('A'), b: { type: 'object', properties: { c: at('C') } } })), ['A=a', 'C=b.c']);
  assert.deepEqual(names(of({ a: { type: 'array', items: at('A') } })), []);
  assert.deepEqual(names(of({}, { anyOf: [{ properties: { a: at('A') } }] })), []);
  assert.deepEqual(names(of({ a: at('X'), b: at('x') })), [], 'unique without regard to case');
  for (const name of ['', 'a b', 'a:b', 'ü', 'a\r\nb', 7, null]) assert.deepEqual(names(of({ a: at(name) })), []);
  for (const schema of [null, 7, 'x', [], { properties: 7 }]) assert.deepEqual(mirroredOf(schema), []);
});

test('TR-29: integers are compared as numbers, all else as text; null and what is absent expect no header', () => {
  const mirrored = mirroredOf({
    properties: { n: { type: 'integer', 'x-mcp-header': 'N' }, s: { type: 'string', 'x-mcp-header': 'S' } },
  });
  const fault = (args: object, headers: Record<string, string>) =>
    mirroredFault(mirrored, call('t', args).params, headers) !== undefined;
  for (const [args, headers, faulty] of [
    [{ n: 42 }, { 'mcp-param-n': '42' }, false],
    [{ n: 42 }, { 'mcp-param-n': '42.0' }, false],
    [{ n: -7 }, { 'mcp-param-n': '-7' }, false],
    [{ n: 42 }, { 'mcp-param-n': '0x2a' }, true],
    [{ n: 42 }, { 'mcp-param-n': '4.2e1' }, true],
    [{ n: 42 }, { 'mcp-param-n': '' }, true],
    [{ n: 42 }, {}, true],
    [{ n: null }, {}, false],
    [{ n: null, s: null }, { 'mcp-param-s': 'x' }, false],
    [{}, { 'mcp-param-s': 'x' }, false],
    [{ s: '42' }, { 'mcp-param-s': '42.0' }, true],
    [{ s: '' }, { 'mcp-param-s': '' }, false],
    [{ s: '' }, {}, true],
    [{ s: ' padded ' }, { 'mcp-param-s': wrapped(' padded ') }, false],
    [{ s: 'x' }, { 'mcp-param-s': 'x, x' }, true],
  ] as const) {
    assert.equal(fault(args, headers), faulty, JSON.stringify([args, headers]));
  }
});
