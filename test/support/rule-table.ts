/** What rules match, as Traefik documents it; a test asks a real Traefik the same. */

export interface Asked {
  readonly host?: string;
  readonly path?: string;
  readonly query?: string;
  readonly method?: string;
  readonly headers?: Record<string, string[]>;
  readonly from?: string;
}

type Row = readonly [rule: string, asked: Asked, matches: boolean];

export const tables: Readonly<Record<string, readonly Row[]>> = {
  Host: [
    ['Host(`a.example`)', { host: 'a.example' }, true],
    ['Host(`A.Example.`)', { host: 'a.example' }, true],
    ['Host("a.example")', { host: 'b.example' }, false],
    ['Host(`*.example`)', { host: 'a.example' }, true],
    ['Host(`*.example`)', { host: 'b.a.example' }, false],
    ['Host(`*.example`)', { host: 'example' }, false],
    ['Host(`*.example`)', { host: '.example' }, false],
    ['Host(`*`)', { host: '' }, true],
    ['Host(`[::1]`)', { host: '[::1]' }, true],
    ['HOST(`a.example`)', { host: 'a.example' }, true],
    ['host(`a.example`)', { host: 'a.example' }, true],
  ],
  HostRegexp: [
    ['HostRegexp(`^[a-z]+\\.example$`)', { host: 'a.example' }, true],
    ['HostRegexp(`^[a-z]+\\.example$`)', { host: '1.example' }, false],
    ['HostRegexp(`(?i)^A\\.EXAMPLE$`)', { host: 'a.example' }, true],
    ['HostRegexp(`^([a-z0-9-]+\\.)+example$`)', { host: 'x.y.example' }, true],
    ['HostRegexp(`.`)', { host: 'a'.repeat(3000) }, false],
    ['HostRegexp(`\\Aa\\.example\\z`)', { host: 'a.example' }, true],
    ['hostregexp(`a`)', { host: 'a.example' }, true],
  ],
  Path: [
    ['Path(`/mcp`)', { path: '/mcp' }, true],
    ['Path(`/mcp`)', { path: '/mcp/' }, false],
    ['Path(`/mcp`)', { path: '/MCP' }, false],
  ],
  PathPrefix: [
    ['PathPrefix(`/mcp`)', { path: '/mcp/x' }, true],
    ['PathPrefix(`/mcp`)', { path: '/mcp-evil' }, true],
    ['PathPrefix(`/mcp/`)', { path: '/mcp' }, false],
  ],
  PathRegexp: [
    ['PathRegexp(`^/v[0-9]+/`)', { path: '/v12/x' }, true],
    ['PathRegexp(`^/v[0-9]+/`)', { path: '/vx/' }, false],
    ['PathRegexp(`.`)', { path: `/${'a'.repeat(5000)}` }, false],
    ['PathRegexp(`^/(?P<id>\\d+)$`)', { path: '/7' }, true],
  ],
  Method: [
    ['Method(`post`)', { method: 'POST' }, true],
    ['Method(`POST`)', { method: 'GET' }, false],
  ],
  Header: [
    ['Header(`X-Env`, `a`)', { headers: { 'x-env': ['b', 'a'] } }, true],
    ['Header(`X-Env`, `a`)', { headers: { 'x-env': ['A'] } }, false],
    ['Header(`X-Env`, `a`)', {}, false],
  ],
  HeaderRegexp: [
    ['HeaderRegexp(`Accept`, `json`)', { headers: { accept: ['application/json'] } }, true],
    ['HeaderRegexp(`Accept`, `^json`)', { headers: { accept: ['application/json'] } }, false],
  ],
  Query: [
    ['Query(`m`, `1`)', { query: '?a=2&m=1' }, true],
    ['Query(`m`, `1`)', { query: '?m=2' }, false],
    ['Query(`m`)', { query: '?m' }, true],
    ['Query(`m`)', { query: '?m=1' }, false],
    ['Query(`m`)', {}, false],
  ],
  QueryRegexp: [
    ['QueryRegexp(`m`, `^[0-9]+$`)', { query: '?m=12' }, true],
    ['QueryRegexp(`m`, `^[0-9]+$`)', { query: '?m=x' }, false],
    ['QueryRegexp(`m`)', { query: '?m=' }, true],
  ],
  ClientIP: [
    ['ClientIP(`192.0.2.1`)', { from: '192.0.2.1' }, true],
    ['ClientIP(`192.0.2.0/24`)', { from: '::ffff:192.0.2.77' }, true],
    ['ClientIP(`192.0.2.0/24`)', { from: '198.51.100.1' }, false],
    ['ClientIP(`2001:db8::/32`)', { from: '2001:db8::9%eth0' }, true],
  ],
  'precedence: ! before && before ||': [
    ['Path(`/a`) || Path(`/b`) && Method(`POST`)', { path: '/a', method: 'GET' }, true],
    ['(Path(`/a`) || Path(`/b`)) && Method(`POST`)', { path: '/a', method: 'GET' }, false],
    ['!Path(`/a`) && Method(`GET`)', { path: '/b' }, true],
    ['!(Path(`/a`) || Path(`/b`))', { path: '/b' }, false],
    ['!!Path(`/a`)', { path: '/a' }, true],
    ['!(Path(`/a`) && Method(`POST`))', { path: '/a', method: 'GET' }, true],
  ],
};

/** What is refused, and where the fault is. */
export const faults: readonly (readonly [rule: string, position: number, message: RegExp])[] = [
  ['', 0, /expected name, found the end/],
  ['Host(`a`', 8, /expected string|expected ,/],
  ["Host('a')", 5, /backticks or double quotes/],
  ['Host(`a`) && ', 13, /found the end/],
  ['Host(`a`) Path(`/`)', 10, /join matchers with && or \|\|/],
  ['Host(`a`) & Path(`/`)', 10, /join matchers with && or \|\|/],
  ['(Host(`a`)', 10, /close the parenthesis/],
  ['Host(`a`, `b`)', 0, /Host\(`a`\) \|\| Host\(`b`\)/],
  ['Headers(`a`, `b`)', 0, /Headers was Traefik v2/],
  ['HostHeader(`a`)', 0, /HostHeader was Traefik v2/],
  ['HostSNI(`a`)', 0, /TCP routers/],
  ['Hots(`a`)', 0, /no matcher is called Hots .*; use one of Host,/],
  ['hOsT(`a`)', 0, /use Host/],
  ['Host(`{sub:[a-z]+}.example`)', 0, /placeholders are the syntax of Traefik v2; use HostRegexp/],
  ['PathPrefix(`/{id}`)', 0, /use PathRegexp/],
  ['Path({id})', 5, /placeholders/],
  ['Path(`mcp`)', 0, /has no leading slash .*; write `\/mcp`/],
  ['Host(`exämple.com`)', 0, /ASCII form/],
  ['Host(`a b`)', 0, /ASCII form|such as/],
  ['Host(`a.*.example`)', 0, /write a name such as/],
  ['ClientIP(`10.0.0.0/40`)', 0, /range such as 10\.0\.0\.0\/8/],
  ['PathRegexp(`(`)', 0, /cannot be read/],
  ['PathRegexp(`(?=a)`)', 0, /which Go does not know/],
  ['PathRegexp(`(a)\\1`)', 0, /which Go does not know/],
  ['PathRegexp(`(a+)+$`)', 0, /some inputs would take for ever/],
  ['PathRegexp(`(a|a)*$`)', 0, /some inputs would take for ever/],
  ['PathRegexp(`((a+)b?)+$`)', 0, /some inputs would take for ever/],
  ['HostRegexp(`(.+\\.)+x`)', 0, /some inputs would take for ever/],
  ['Method()', 0, /Method takes 1 value, not 0/],
  ['Query(`a`, `b`, `c`)', 0, /Query takes 1 to 2 values, not 3/],
  ['Path("\\x")', 5, /unknown escape/],
  ['Host(`a`) # comment', 10, /a rule is made of matchers/],
];
