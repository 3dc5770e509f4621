/** The servers that modern requests go to: one for each scope, started by whoever comes first, ended when nobody needs it. */

import type { BridgeLimits, StdioServerConfig } from './config.ts';
import type { Visitor } from './connection.ts';
import { commandFor } from './environment.ts';
import { isObject, type Params, type Request, type Response, write } from './message.ts';
import type { Seat } from './modern-http.ts';
import { metaKey, metaOf } from './modern-revision.ts';
import { failure, type ModernServer } from './modern-server.ts';
import type { ModernStart, Wanted } from './modern-start.ts';
import { type OpenTasks, openTasks } from './open-tasks.ts';
import { ownMeta } from './probe.ts';
import { type ToolHeaders, toolHeaders } from './tool-headers.ts';
import { Unavailable } from './unavailable.ts';

export interface ModernServers extends AsyncDisposable {
  /** `params` of the request, whose _meta says what its client can do. Rejects with Unavailable or a Refusal. */
  open(visitor: Visitor, params: Params): Promise<Seat>;
}

export interface ModernServersOptions {
  readonly config: StdioServerConfig;
  readonly limits: BridgeLimits;
  readonly start: ModernStart;
}

interface Place {
  readonly server: ModernServer;
  /** Whom it counts against. */
  readonly account: string;
  readonly tools: ToolHeaders;
  readonly tasks: OpenTasks;
  /** Milliseconds since the epoch. */
  lastUsed: number;
  /** Nobody finds it any more. */
  readonly forget: () => void;
}

/** Seconds that the gateway waits for a list of its own. */
const ownPatience = 10;

export function modernServers({ config, limits, start }: ModernServersOptions): ModernServers {
  const places = new Map<string, Promise<Place>>();
  /** Those of them that have started. */
  const ready = new Set<Place>();
  const closing = new Set<Promise<void>>();
  let disposed = false;

  const close = (place: Place, reason: string): Promise<void> => {
    ready.delete(place);
    place.forget();
    const end = place.server.close(reason).finally(() => closing.delete(end));
    closing.add(end);
    return end;
  };

  const busy = ({ server, tasks }: Place) => !server.idle() || tasks.any;

  /** Clients do not say that they are done: where there may be no more, the longest unused makes room. */
  const makeRoom = async (account: string) => {
    const own = [...ready].filter((place) => place.account === account);
    const candidates =
      own.length >= limits.childrenPerCaller ? own : ready.size >= config.maxChildren ? [...ready] : [];
    const unused = candidates.filter((place) => !busy(place)).toSorted((a, b) => a.lastUsed - b.lastUsed)[0];
    if (unused) await close(unused, 'given up for a newer one');
  };

  /**
   * Whoever comes while it starts waits for the same one; of those who find one that has ended, one starts the next.
   * What a server is kept under may change when its era turns out, so it is asked for again.
   */
  const acquire = async (scope: () => string, wanted: Wanted): Promise<Place> => {
    for (;;) {
      if (disposed) throw new Unavailable(503, 'the gateway is stopping', { retryAfter: 5 });
      const key = scope();
      const there = places.get(key);
      if (there === undefined) return await begin(key, scope, wanted);
      const place = await there;
      if (scope() !== key) continue;
      if (!place.server.over()) return place;
      await close(place, 'it has ended');
    }
  };

  const begin = (key: string, scope: () => string, wanted: Wanted): Promise<Place> => {
    const { account } = wanted;
    const forget = () => {
      for (const [at, known] of places) if (known === coming) places.delete(at);
    };
    const launch = async (): Promise<Place> => {
      await makeRoom(account);
      const server = await start.server(wanted);
      const tools = toolHeaders((method, params) => ask(server, method, params));
      const place: Place = { server, account, tools, tasks: openTasks(), lastUsed: Date.now(), forget };
      const now = scope();
      if (now !== key && !places.has(now)) {
        forget();
        places.set(now, coming);
      }
      ready.add(place);
      return place;
    };
    const coming = launch();
    places.set(key, coming);
    coming.catch(forget);
    return coming;
  };

  const sweep = () => {
    for (const place of ready) {
      if (busy(place)) place.lastUsed = Date.now();
      if (place.server.over()) void close(place, 'it has ended');
      else if ((Date.now() - place.lastUsed) / 1000 >= config.idleTimeout) void close(place, 'idle for too long');
    }
  };
  const every = Math.max(20, (Math.min(config.idleTimeout, limits.keepAlive) / 3) * 1000);
  const sweeper = setInterval(sweep, every);

  return {
    async open(visitor, params) {
      const command = commandFor(config, visitor.caller);
      const owner = ownerOf(visitor);
      // There are no sessions to tell apart: what a session has to itself, a caller has (ST-16).
      const everybody = config.isolation === 'shared';
      const account = everybody ? 'everybody' : owner;
      const capabilities = metaOf(params)[metaKey.clientCapabilities];
      const scope = () => JSON.stringify([account, command.args, command.env, start.split(capabilities)]);
      const place = await acquire(scope, { account, command, capabilities });
      place.lastUsed = Date.now();
      return {
        server: place.server,
        owner,
        mirrored: async (tool) => ('tools' in place.server.discovered.capabilities ? place.tools.of(tool) : []),
        saw(request, response) {
          place.lastUsed = Date.now();
          if (request.method === 'tools/list' && isObject(response.result)) place.tools.saw(response.result.tools);
          place.tasks.saw(response);
        },
      };
    },
    async [Symbol.asyncDispose]() {
      disposed = true;
      clearInterval(sweeper);
      // Those that are still starting end with their children, for which nobody waits here.
      for (const place of ready) void close(place, 'the gateway is stopping');
      await Promise.all(closing);
      start[Symbol.dispose]();
    },
  };
}

/** A request of the gateway's own. Whatever goes wrong, there is an answer. */
function ask(server: ModernServer, method: string, params: Params): Promise<Response> {
  const { promise, resolve } = Promise.withResolvers<Response>();
  const request = write({ id: 'gateway', method, params: { ...params, _meta: ownMeta } }) as Request;
  const call = server.call(request, { notify() {}, respond: resolve }, { owner: '' });
  const timer = setTimeout(() => {
    call.cancel('timeout');
    resolve(failure(request, 'timeout'));
  }, ownPatience * 1000);
  return promise.finally(() => clearTimeout(timer));
}

/** TR-39: a user with all clients, else an address. */
function ownerOf({ caller, clientAddress }: Visitor): string {
  return caller ? `user ${caller.subject}` : `address ${clientAddress}`;
}
