import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Amend, type Message, readBody } from '../../src/mcp/message.ts';
import { traced } from '../../src/mcp/trace-meta.ts';

const trace = { requestId: 'r', traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true };
const told = `"traceparent":"00-${trace.traceId}-${trace.spanId}-01"`;
const read = (text: string, amend: Amend): Message => {
  const [message] = readBody(Buffer.from(text), amend).messages;
  assert.ok(message);
  return message;
};

const cases: readonly (readonly [what: string, before: string, after: string])[] = [
  [
    'no params',
    '{"jsonrpc":"2.0","id":1,"method":"ping"}',
    `{"params":{"_meta":{${told}}},"jsonrpc":"2.0","id":1,"method":"ping"}`,
  ],
  [
    'empty params',
    '{"jsonrpc":"2.0","id":1,"method":"ping","params":{ }}',
    `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{${told}} }}`,
  ],
  [
    'params',
    '{"jsonrpc":"2.0","id":1,"method":"m","params":{"n":9007199254740993}}',
    `{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{${told}},"n":9007199254740993}}`,
  ],
  [
    'an empty _meta',
    '{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{}}}',
    `{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{${told}}}}`,
  ],
  [
    'a _meta',
    '{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"progressToken":1.0}}}',
    `{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{${told},"progressToken":1.0}}}`,
  ],
];
for (const [what, before, after] of cases) {
  test(`a request with ${what} gets its traceparent, and every other byte stays`, () => {
    const message = read(before, traced(trace));
    assert.equal(message.bytes.toString(), after);
    const { params } = JSON.parse(after);
    assert.ok(message.kind === 'request');
    assert.deepEqual(message.params, params);
  });
}

test('the tracestate goes with it', () => {
  const { bytes } = read('{"jsonrpc":"2.0","id":1,"method":"m","params":{}}', traced({ ...trace, state: 'a=b' }));
  assert.equal(JSON.parse(bytes.toString()).params._meta.tracestate, 'a=b');
});

test('2026-07-28 basic, _meta: what the client wrote itself stays, and so do notifications, responses and a faulty _meta', () => {
  for (const text of [
    '{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"traceparent":"own"}}}',
    '{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":7}}',
    '{"jsonrpc":"2.0","method":"notifications/initialized"}',
    '{"jsonrpc":"2.0","id":1,"result":{}}',
  ]) {
    assert.equal(read(text, traced(trace)).bytes.toString(), text);
  }
});
