import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RuleRequest } from '../../src/router/matchers.ts';
import { routeIndex } from '../../src/router/route-index.ts';
import { compileRule } from '../../src/router/rule.ts';

const request = (host: string, path: string) =>
  ({ host, path, query: '', req: { method: 'GET', headersDistinct: {}, socket: {} } }) as RuleRequest;

test('ten thousand hosts cost a request no more questions than one host', () => {
  let asked = 0;
  const counted = (text: string) => {
    const rule = compileRule(text);
    return {
      text,
      rule: {
        ...rule,
        matches: (one: RuleRequest) => {
          asked += 1;
          return rule.matches(one);
        },
      },
    };
  };
  const table = Array.from({ length: 10_000 }, (_, at) => [
    counted(`Host(\`h${at}.example\`) && PathPrefix(\`/api/\`)`),
    counted(`Host(\`h${at}.example\`)`),
    counted(`Host(\`*.w${at}.example\`)`),
  ]).flat();
  const find = routeIndex(table);
  for (const [host, path, text] of [
    ['h0.example', '/api/x', 'Host(`h0.example`) && PathPrefix(`/api/`)'],
    ['h9999.example', '/', 'Host(`h9999.example`)'],
    ['x.w5000.example', '/', 'Host(`*.w5000.example`)'],
    ['none.example', '/', undefined],
  ] as const) {
    asked = 0;
    assert.equal(find(request(host, path))?.text, text);
    assert.ok(asked <= 2, `${asked} rules were asked`);
  }
});
