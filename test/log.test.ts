import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { WriteStream } from 'node:tty';
import { log } from '../src/log.ts';

function lines(terminal = false): { output: Writable; text: () => string } {
  let text = '';
  const output = new Writable({
    write(chunk, _, done) {
      text += String(chunk);
      done();
    },
  });
  // Of this run's own environment, which may be none of a terminal, only the wish for no colour counts.
  const getColorDepth = () => {
    const { NO_COLOR } = process.env;
    return WriteStream.prototype.getColorDepth({ TERM: 'xterm-256color', ...(NO_COLOR !== undefined && { NO_COLOR }) });
  };
  if (terminal) Object.assign(output, { isTTY: true, getColorDepth });
  return { output, text: () => text };
}

const request = {
  client: '192.0.2.1',
  method: 'POST',
  host: 'mcp.example.com',
  path: '/files/mcp?a=b',
  status: 403,
  duration: 12.5,
  userAgent: 'curl/8',
  requestId: 'abc',
  route: 'files',
};

test('on a terminal a request begins with what was asked and answered, and its status has a colour', () => {
  const { output, text } = lines(true);
  log({ level: 'info', format: 'pretty', output }).info('request', request);
  const sequence = '\u001b';
  const told = `POST /files/mcp?a=b ${sequence}[33m403${sequence}[39m 12.5ms client=192.0.2.1 requestId=abc route=files\n`;
  assert.ok(text().endsWith(`INFO  ${told}`), text());
});

test('without a terminal, or with NO_COLOR, nothing has a colour', () => {
  const plain = lines();
  log({ level: 'info', format: 'pretty', output: plain.output }).error('request', request);
  assert.match(plain.text(), /^\d\d:\d\d:\d\d ERROR POST \/files\/mcp\?a=b 403 12\.5ms client/);
  process.env.NO_COLOR = '1';
  try {
    const { output, text } = lines(true);
    log({ level: 'info', format: 'pretty', output }).warn('request', request);
    assert.ok(!text().includes('\u001b'), text());
  } finally {
    delete process.env.NO_COLOR;
  }
});

test('what a stranger sends cannot write to the terminal or begin a line', () => {
  const { output, text } = lines();
  const evil = '\u001b]0;owned\u0007\n12:00:00 INFO fine';
  log({ level: 'info', format: 'pretty', output }).info('request', {
    ...request,
    method: evil,
    path: evil,
    tool: evil,
  });
  assert.ok(![...text().slice(0, -1)].some((letter) => letter < ' '), text());
  assert.equal(text().split('\n').length, 2);
});

test('for machines every event is one line of JSON with all it has', () => {
  const { output, text } = lines();
  log({ level: 'info', format: 'json', output })
    .with({ requestId: 'abc' })
    .info('request', { status: 200, path: '/\n' });
  const { time, ...rest } = JSON.parse(text());
  assert.match(time, /^\d{4}-.*Z$/);
  assert.deepEqual(rest, { level: 'info', event: 'request', requestId: 'abc', status: 200, path: '/\n' });
});
