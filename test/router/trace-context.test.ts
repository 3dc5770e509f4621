import assert from 'node:assert/strict';
import { test } from 'node:test';
import { traceHeaders } from '../../src/router/handler.ts';
import { randomId, traceOf } from '../../src/router/trace-context.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';
const parent = `00-${traceId}-${spanId}-01`;

test('W3C Trace Context §3.2: a valid traceparent is gone on with under a parent-id of our own', () => {
  const trace = traceOf({ traceparent: parent, tracestate: 'congo=t61rcWkgMzE,rojo=00f067aa0ba902b7' });
  assert.deepEqual([trace.traceId, trace.parentId, trace.sampled], [traceId, spanId, true]);
  assert.match(trace.spanId, /^[\da-f]{16}$/);
  assert.notEqual(trace.spanId, spanId);
  assert.deepEqual(traceHeaders(trace), {
    traceparent: `00-${traceId}-${trace.spanId}-01`,
    tracestate: 'congo=t61rcWkgMzE,rojo=00f067aa0ba902b7',
  });
  assert.equal(traceOf({ traceparent: `00-${traceId}-${spanId}-00` }).sampled, false);
});

test('W3C Trace Context §3.2.2.5, §4.2: of a version to come the fields that are known count, and unknown flags are not sent on', () => {
  const trace = traceOf({ traceparent: `cc-${traceId}-${spanId}-03-what-comes` });
  assert.equal(trace.traceId, traceId);
  assert.match(traceHeaders(trace).traceparent ?? '', /^00-.*-01$/);
});

const invalid = {
  'of version ff (§3.2.2.2)': `ff-${traceId}-${spanId}-01`,
  'of version 00 with more fields (§3.2.2.2)': `${parent}-more`,
  'with a trace-id of zeros (§3.2.2.3)': `00-${'0'.repeat(32)}-${spanId}-01`,
  'with a parent-id of zeros (§3.2.2.4)': `00-${traceId}-${'0'.repeat(16)}-01`,
  'in upper case (§3.2.1)': parent.toUpperCase(),
  'that is too short': parent.slice(0, -1),
  'that was sent twice': `${parent}, ${parent}`,
  'that is empty': '',
};
for (const [what, traceparent] of Object.entries(invalid)) {
  test(`W3C Trace Context §4.2: a traceparent ${what} begins a new trace without its tracestate`, () => {
    const trace = traceOf({ traceparent, tracestate: 'a=b' });
    assert.match(trace.traceId, /^[\da-f]{32}$/);
    assert.notEqual(trace.traceId, traceId);
    assert.deepEqual([trace.parentId, trace.state], [undefined, undefined]);
  });
}

test('W3C Trace Context §3.3.1: a tracestate that cannot be read, or is longer than need be, is dropped and breaks no trace', () => {
  for (const tracestate of ['a='.padEnd(513, 'x'), 'a=\u00e9', Array(33).fill('a=b').join(',')]) {
    const trace = traceOf({ traceparent: parent, tracestate });
    assert.deepEqual([trace.traceId, trace.state], [traceId, undefined]);
  }
});

test('the sampler is asked about new traces alone', () => {
  const never = () => false;
  assert.equal(traceOf({}, never).sampled, false);
  assert.equal(traceOf({ traceparent: parent }, never).sampled, true);
});

test('an id of the client is kept where it is short and plain, and every other request gets one of its own', () => {
  assert.equal(traceOf({ 'x-request-id': '7f2e.Ab-1_2' }).requestId, '7f2e.Ab-1_2');
  for (const bad of ['', 'a b', 'a'.repeat(65), 'a, b', '"', '<script>', '\u00e9']) {
    assert.match(traceOf({ 'x-request-id': bad }).requestId, /^[\da-f]{16}$/, bad);
  }
  assert.equal(new Set(Array.from({ length: 2000 }, () => randomId(8))).size, 2000);
});
