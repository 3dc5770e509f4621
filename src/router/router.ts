/** The route table: sorted once, looked up by host and path, first match answers. */

import type { Log } from '../log.ts';
import { type Exchange, type Handler, type Route, refusal } from './handler.ts';
import { hasEncodedSeparator } from './request-target.ts';
import { routeIndex } from './route-index.ts';
import { compileRule, type Rule } from './rule.ts';

/** Of the gateway's own routes, which no configured one may shadow. */
export const builtInPriority = Number.MAX_SAFE_INTEGER - 1;

/** One row of the table, as the operator sees it. */
export interface TableRow {
  readonly name: string;
  readonly rule: string;
  readonly priority: number;
  readonly guarded: boolean;
  readonly target: string;
  /** Why the route answers nothing. Absent where it does. */
  readonly disabled?: string;
  readonly warnings: readonly string[];
}

export interface Router {
  readonly handler: Handler;
  /** In match order; disabled routes last. */
  readonly table: readonly TableRow[];
}

interface Built {
  readonly row: TableRow;
  readonly rule: Rule;
  readonly route: Route;
  readonly handler: Handler;
}

/** A faulty route is disabled alone: logged with its reason, listed as disabled, and the others serve. */
export function router(routes: readonly Route[], log: Log): Router {
  const built: Built[] = [];
  const disabled: TableRow[] = [];
  for (const route of routes) {
    const fault = (error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      log.error('route disabled', { route: route.name, rule: route.rule, reason });
      disabled.push({ ...rowOf(route), disabled: reason, warnings: [] });
    };
    try {
      const rule = compileRule(route.rule);
      const handler = (route.middlewares ?? []).reduceRight((next, middleware) => middleware(next), route.service);
      built.push({ row: { ...rowOf(route), warnings: rule.warnings }, rule, route, handler });
    } catch (error) {
      fault(error);
    }
  }
  built.sort((a, b) => b.row.priority - a.row.priority || compareNames(a.row.name, b.row.name));
  const find = routeIndex(built);
  return {
    table: [...built.map((entry) => entry.row), ...disabled],
    handler: (exchange) => {
      const found = find(exchange);
      if (!found) throw refusal(404, 'not_found', 'nothing is served here');
      exchange.notes.route = found.route.name;
      return answer(found, exchange);
    },
  };
}

function answer({ route, handler }: Built, exchange: Exchange): ReturnType<Handler> {
  if (route.guarded && hasEncodedSeparator(exchange.path)) {
    throw refusal(
      400,
      'invalid_request',
      'the path of a guarded route holds no encoded slash, backslash or percent sign',
    );
  }
  return handler(exchange);
}

function rowOf(route: Route): Omit<TableRow, 'warnings'> {
  const { name, rule, guarded, target } = route;
  return { name, rule, guarded, target, priority: route.priority || Buffer.byteLength(rule) };
}

/** By code unit, so that the order is the same everywhere. */
function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
