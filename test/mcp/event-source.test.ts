import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventTooLong, type ServerSentEvent, serverSentEvents } from '../../src/mcp/event-source.ts';

async function* inPieces(text: string, size: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function eventsOf(text: string, size = 1000, limit = 1000): Promise<ServerSentEvent[]> {
  const events: ServerSentEvent[] = [];
  for await (const event of serverSentEvents(inPieces(text, size), limit)) events.push(event);
  return events;
}

const streams: [what: string, text: string, events: ServerSentEvent[]][] = [
  ['an event', 'data: {"a":1}\n\n', [{ data: '{"a":1}' }]],
  ['without the space', 'data:x\n\n', [{ data: 'x' }]],
  ['several lines of data', 'data: {\ndata: "a": "ü€🚀"}\n\n', [{ data: '{\n"a": "ü€🚀"}' }]],
  ['a priming event', 'id: 7\nretry: 50\ndata:\n\n', [{ data: '', id: '7', retry: 50 }]],
  [
    'comments and unknown fields',
    ': hello\nevent: message\nfoo: bar\ndata: x\n\n: bye\n\ndata: y\n\n',
    [{ data: 'x', event: 'message' }, { data: 'y' }],
  ],
  ['lines ended by CR LF', 'id: 1\r\ndata: a\r\n\r\ndata: b\r\n\r\n', [{ data: 'a', id: '1' }, { data: 'b' }]],
  ['lines ended by CR', 'data: a\r\rdata: b\r\r', [{ data: 'a' }, { data: 'b' }]],
  ['a retry that is no number', 'retry: soon\ndata: x\n\n', [{ data: 'x' }]],
  ['an event that the stream broke off', 'data: a\n\ndata: b\n', [{ data: 'a' }]],
];

for (const [what, text, events] of streams) {
  test(`WHATWG HTML §9.2.6: ${what}, however the bytes are cut`, async () => {
    for (let size = 1; size <= Buffer.byteLength(text); size++) assert.deepEqual(await eventsOf(text, size), events);
  });
}

test('an event longer than allowed ends the reading, be it in one line, in many or without an end', async () => {
  for (const text of [`data: ${'x'.repeat(200)}\n\n`, 'data: 0123456789\n'.repeat(20), `data: ${'x'.repeat(200)}`]) {
    await assert.rejects(eventsOf(text, 10, 100), EventTooLong);
  }
  assert.equal((await eventsOf('data: 0123456789\n\n'.repeat(100), 64, 100)).length, 100);
});
