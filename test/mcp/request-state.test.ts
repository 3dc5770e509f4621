import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { requestStates } from '../../src/mcp/request-state.ts';

const subject = ['user alice', 'tools/call', 'digest'];

test('TR-42: a state opens for its subject, and with any byte changed, added or left out it does not', () => {
  const states = requestStates(60);
  const state = states.seal('reference', subject);
  assert.equal(states.open(state, subject), 'reference');
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/';
  for (let at = 0; at < state.length; at++) {
    for (const letter of alphabet) {
      if (letter === state[at]) continue;
      assert.equal(
        states.open(state.slice(0, at) + letter + state.slice(at + 1), subject),
        undefined,
        `${at} ${letter}`,
      );
    }
    assert.equal(states.open(state.slice(0, at) + state.slice(at + 1), subject), undefined, `without ${at}`);
    assert.equal(states.open(`${state.slice(0, at)}A${state.slice(at)}`, subject), undefined, `more at ${at}`);
  }
  for (let i = 0; i < 1000; i++) {
    const noise = randomBytes(i % 150).toString(i % 2 ? 'base64url' : 'latin1');
    assert.equal(states.open(noise, subject), undefined);
    assert.equal(states.open(`${noise}.${noise}`, subject), undefined);
  }
  for (const odd of [undefined, null, 1, {}, [], true]) assert.equal(states.open(odd, subject), undefined);
});

test('TR-42: another subject, another process and another time do not open it', () => {
  const states = requestStates(60);
  const state = states.seal('reference', subject);
  for (const other of [
    [],
    ['user bob', 'tools/call', 'digest'],
    ['user alice', 'prompts/get', 'digest'],
    [subject.join(',')],
  ]) {
    assert.equal(states.open(state, other), undefined, JSON.stringify(other));
  }
  assert.equal(requestStates(60).open(state, subject), undefined);
  const brief = requestStates(-2);
  assert.equal(brief.open(brief.seal('reference', subject), subject), undefined);
});
