import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import type { RuleRequest } from '../../src/router/matchers.ts';
import { compileRule } from '../../src/router/rule.ts';
import { RuleError } from '../../src/router/rule-error.ts';
import { type Asked, faults, tables } from '../support/rule-table.ts';

function request(asked: Asked): RuleRequest {
  return {
    host: asked.host ?? 'a.example',
    path: asked.path ?? '/',
    query: asked.query ?? '',
    req: {
      method: asked.method ?? 'GET',
      headersDistinct: asked.headers ?? {},
      socket: { remoteAddress: asked.from ?? '192.0.2.1' } as Socket,
    },
  };
}

for (const [title, rows] of Object.entries(tables)) {
  describe(title, () => {
    for (const [rule, asked, matches] of rows) {
      test(`${rule} ${matches ? 'matches' : 'does not match'} ${JSON.stringify(asked).slice(0, 80)}`, () => {
        assert.equal(compileRule(rule).matches(request(asked)), matches);
      });
    }
  });
}

describe('a rule that cannot be read says where and how to mend it', () => {
  for (const [rule, position, message] of faults) {
    test(JSON.stringify(rule), () => {
      assert.throws(
        () => compileRule(rule),
        (error) => error instanceof RuleError && error.position === position && message.test(error.message),
      );
    });
  }
});

test('what a certificate for the hosts of a rule bears', () => {
  const rows: readonly (readonly [rule: string, names: string[]])[] = [
    ['Host(`a.example`) && Path(`/x`)', ['a.example']],
    ['Host(`a.example`) || Path(`/x`) || Host(`*.B.example.`)', ['a.example', '*.b.example']],
    ['Host(`*`)', []],
    ['!Host(`a.example`) && Host(`b.example`)', ['b.example']],
    ['HostRegexp(`^[a-z]+\\.mcp\\.example\\.com$`)', ['*.mcp.example.com']],
    ['HostRegexp(`(?i)^.+\\.Example\\.com$`)', ['*.example.com']],
    ['HostRegexp(`^(?:a|b)-\\w+\\.example\\.com$`)', ['*.example.com']],
    ['HostRegexp(`^a\\.example\\.com|b\\.example\\.com$`)', []],
    ['HostRegexp(`example\\.com$`)', []],
    ['HostRegexp(`^[a-z]+\\.com$`)', []],
    ['HostRegexp(`^[a-z]+.example.com$`)', []],
  ];
  for (const [text, names] of rows) assert.deepEqual(compileRule(text).names, names, text);
});

describe('what an index may know of a rule', () => {
  const rows: readonly (readonly [rule: string, hosts: string[] | undefined, paths: string[] | undefined])[] = [
    ['Host(`a`) && Path(`/x`)', ['a'], ['exact /x']],
    ['Host(`a`) || Host(`*.b`)', ['a', '*.b'], undefined],
    ['Host(`a`) || Path(`/x`)', undefined, undefined],
    ['Host(`*`)', undefined, undefined],
    ['!Host(`a`) && PathPrefix(`/x/`)', undefined, ['prefix /x/']],
    ['(Path(`/x`) || PathPrefix(`/x/`)) && Method(`GET`)', undefined, ['exact /x', 'prefix /x/']],
    ['Host(`a`) && (Host(`b`) || Host(`c`))', ['a'], undefined],
  ];
  for (const [text, hosts, paths] of rows) {
    test(text, () => {
      const rule = compileRule(text);
      assert.deepEqual(rule.hosts && [...rule.hosts], hosts);
      assert.deepEqual(
        rule.paths?.map(({ kind, path }) => `${kind} ${path}`),
        paths,
      );
    });
  }
});

test('PathPrefix without a closing slash is warned of, since it matches more than a directory', () => {
  assert.match(compileRule('PathPrefix(`/mcp`)').warnings.join(), /also matches \/mcp-anything/);
  assert.deepEqual(compileRule('PathPrefix(`/mcp/`)').warnings, []);
});
