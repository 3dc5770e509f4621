/** What the gateway counts, under Traefik's names where Traefik counts it too. */

import type { GatewayStatus } from '../gateway-status.ts';
import type { Heard } from '../log.ts';
import type { AccessRecord } from '../router/access-log.ts';
import { type Handler, refusal } from '../router/handler.ts';
import type { Store } from '../store/store.ts';
import { type Counter, contentType, type Gauge, type Histogram, type Registry, registry } from './exposition.ts';

export interface Metrics {
  /** Told of every request at one entrypoint. */
  observer(entrypoint: string): (record: AccessRecord) => void;
  /** Told of every event of the log. */
  readonly hear: Heard;
  /** The same store, with a clock on it. */
  timed(store: Store): Store;
  /** Which service each configured router leads to; others are called what their service is. */
  use(services: ReadonlyMap<string, string>): void;
  /** Answers GET /metrics. */
  handler(status: () => Promise<GatewayStatus>): Handler;
}

const prefix = 'mcp_gateway_';
/** Others would be names of a stranger's choosing. */
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT']);

/** Requests of MCP in any revision; others count as one for the same reason. */
const mcpMethods = new Set([
  'completion/complete',
  'initialize',
  'logging/setLevel',
  'ping',
  'prompts/get',
  'prompts/list',
  'resources/list',
  'resources/read',
  'resources/subscribe',
  'resources/templates/list',
  'resources/unsubscribe',
  'server/discover',
  'subscriptions/listen',
  'tasks/cancel',
  'tasks/get',
  'tasks/list',
  'tasks/result',
  'tasks/update',
  'tools/call',
  'tools/list',
]);

interface Counted {
  readonly name: string;
  readonly help: string;
  /** The fields that tell them apart, by label. */
  readonly by?: Readonly<Record<string, string>>;
}

/** Events of the log that are counted. */
const counted: Readonly<Record<string, Counted>> = {
  called: {
    name: 'mcp_requests_total',
    help: 'MCP requests by what became of them.',
    by: { server: 'server', method: 'method', outcome: 'outcome' },
  },
  'token issued': {
    name: 'oauth_tokens_issued_total',
    help: 'Access tokens issued.',
    by: { grant_type: 'grantType' },
  },
  'code issued': { name: 'oauth_codes_issued_total', help: 'Authorization codes issued.' },
  'client registered': { name: 'oauth_clients_registered_total', help: 'Clients registered.' },
  'grant revoked': { name: 'oauth_grants_revoked_total', help: 'Grants that a client revoked.' },
  'logged in': { name: 'oauth_logins_total', help: 'People who logged in.' },
  'login failed': { name: 'oauth_login_failures_total', help: 'Logins that failed.', by: { reason: 'reason' } },
  'child started': {
    name: 'children_started_total',
    help: 'Processes of servers started.',
    by: { server: 'server' },
  },
  'server failed': { name: 'server_failures_total', help: 'Servers that failed.', by: { server: 'server' } },
  'store unavailable': { name: 'store_failures_total', help: 'Requests that met a store out of reach.' },
  'configuration reloaded': { name: 'config_reloads_total', help: 'Configurations put to work while it ran.' },
  'configuration not reloaded, the old one stays': {
    name: 'config_reload_failures_total',
    help: 'Configurations that were refused.',
  },
};

export function gatewayMetrics(): Metrics {
  const known = registry();
  const perRouter = new Map<string, (record: AccessRecord) => void>();
  let services: ReadonlyMap<string, string> = new Map();
  const events = new Map<string, Counter>();
  let lastReload: number | undefined;
  for (const { name, help, by } of Object.values(counted)) if (!by) known.counter(prefix + name, help);

  const ofRouter = (router: string) => {
    const found = perRouter.get(router);
    if (found) return found;
    const service = services.get(router) ?? router;
    const both = [requestMeter(known, 'router', { router, service }), requestMeter(known, 'service', { service })];
    const made = (record: AccessRecord) => {
      for (const meter of both) meter(record);
    };
    perRouter.set(router, made);
    return made;
  };

  return {
    observer(entrypoint) {
      const meter = requestMeter(known, 'entrypoint', { entrypoint });
      return (record) => {
        meter(record);
        if (record.route !== undefined) ofRouter(record.route)(record);
      };
    },
    hear(_level, event, fields) {
      const rule = Object.hasOwn(counted, event) ? counted[event] : undefined;
      if (rule === undefined) return;
      if (event === 'configuration reloaded') lastReload = Date.now();
      const { name, help, by = {} } = rule;
      const labels = Object.entries(by).map(([label, field]) => [label, bounded(label, String(fields[field] ?? ''))]);
      const key = `${event} ${labels.join(' ')}`;
      const counter = events.get(key) ?? known.counter(prefix + name, help, Object.fromEntries(labels));
      events.set(key, counter);
      counter.add();
    },
    timed: (store) => timedStore(store, known),
    use(next) {
      services = next;
      perRouter.clear();
    },
    handler: (status) => async (exchange) => {
      if (exchange.path !== '/metrics') throw refusal(404, 'not_found', 'only /metrics is served here');
      if (exchange.req.method !== 'GET' && exchange.req.method !== 'HEAD')
        throw refusal(405, 'invalid_request', '/metrics is read with GET', { headers: { allow: 'GET, HEAD' } });
      return {
        status: 200,
        headers: { 'content-type': contentType },
        body: known.text(gauges(await status(), lastReload)),
      };
    },
  };
}

/** Its series are looked up by code, method and protocol once; then a request costs one map and two additions. */
function requestMeter(known: Registry, kind: string, labels: Record<string, string>): (record: AccessRecord) => void {
  const series = new Map<string, { requests: Counter; duration: Histogram; bytes: Counter }>();
  const of = (code: string, method: string, protocol: string) => {
    const all = { ...labels, code, method, protocol };
    const name = `${prefix}${kind}_`;
    return {
      requests: known.counter(`${name}requests_total`, `Requests by ${kind}.`, all),
      duration: known.histogram(`${name}request_duration_seconds`, `Seconds until the last byte, by ${kind}.`, all),
      bytes: known.counter(`${name}responses_bytes_total`, `Bytes of answers' bodies by ${kind}, where known.`, all),
    };
  };
  return (record) => {
    const method = methods.has(record.method) ? record.method : 'EXTENSION_METHOD';
    const protocol = record.status === 101 ? 'websocket' : 'http';
    const key = `${record.status} ${method} ${protocol}`;
    const found = series.get(key) ?? of(String(record.status), method, protocol);
    series.set(key, found);
    found.requests.add();
    found.duration.observe(record.duration / 1000);
    if (record.bytes !== undefined) found.bytes.add(record.bytes);
  };
}

function timedStore(store: Store, known: Registry): Store {
  const clock = (operation: string) => {
    const name = `${prefix}store_operation_duration_seconds`;
    const histogram = known.histogram(name, 'Seconds until the store answered.', { operation });
    return async <T>(ask: () => Promise<T>): Promise<T> => {
      const start = performance.now();
      try {
        return await ask();
      } finally {
        histogram.observe((performance.now() - start) / 1000);
      }
    };
  };
  const [get, set, remove, increment] = [clock('get'), clock('set'), clock('delete'), clock('increment')];
  return {
    get: (key) => get(() => store.get(key)),
    set: (key, value, options) => set(() => store.set(key, value, options)),
    delete: (key) => remove(() => store.delete(key)),
    increment: (key, ttl) => increment(() => store.increment(key, ttl)),
    keys: (start) => store.keys(start),
    records: (start) => store.records(start),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

/** A label has few values, whatever strangers send. */
function bounded(label: string, value: string): string {
  return label === 'method' && !mcpMethods.has(value) ? 'other' : value;
}

function gauges(status: GatewayStatus, lastReload: number = Date.parse(status.startedAt)): Gauge[] {
  const gauge = (name: string, help: string, samples: Gauge['samples']): Gauge => ({
    name: prefix + name,
    help,
    samples,
  });
  const { servers } = status;
  return [
    gauge('build_info', 'The version that runs.', [
      { labels: { version: status.version, node: status.node }, value: 1 },
    ]),
    {
      name: 'process_start_time_seconds',
      help: 'When the process started, in seconds since the epoch.',
      samples: [{ value: Date.parse(status.startedAt) / 1000 }],
    },
    {
      name: 'process_resident_memory_bytes',
      help: 'Memory of the gateway itself.',
      samples: status.rss === undefined ? [] : [{ value: status.rss }],
    },
    gauge('config_last_reload_success', 'When the configuration at work was read, in seconds since the epoch.', [
      { value: lastReload / 1000 },
    ]),
    gauge(
      'service_server_up',
      'Whether requests go to the server of a service, 0 or 1.',
      status.services.flatMap(({ name, servers }) =>
        [...new Map(servers.map(({ url, up }) => [url, up]))].map(([url, up]) => ({
          labels: { service: name, url },
          value: up ? 1 : 0,
        })),
      ),
    ),
    gauge(
      'open_connections',
      'Connections of clients that are open.',
      status.entrypoints.map(({ name, connections }) => ({ labels: { entrypoint: name }, value: connections })),
    ),
    gauge(
      'sessions',
      'Sessions of clients.',
      servers.map(({ name, sessions }) => ({ labels: { server: name }, value: sessions })),
    ),
    gauge(
      'children',
      'Processes of a server.',
      servers.map(({ name, children }) => ({ labels: { server: name }, value: children.length })),
    ),
    gauge(
      'children_resident_memory_bytes',
      'Memory of all processes of a server.',
      servers.map(({ name, children }) => ({
        labels: { server: name },
        value: children.reduce((sum, { rss = 0 }) => sum + rss, 0),
      })),
    ),
    gauge(
      'tls_certs_not_after',
      'When a certificate expires, in seconds since the epoch.',
      status.certificates.flatMap(({ host, notAfter }) =>
        notAfter === undefined ? [] : [{ labels: { cn: host }, value: Date.parse(notAfter) / 1000 }],
      ),
    ),
  ];
}
