/** The one subscription of a legacy session at a modern server: changed lists, and the resources that it watches. */

import { isObject, type Notification, type Params, type Request, write } from './message.ts';
import type { Call, ModernServer, Sink } from './modern-server.ts';

export interface SessionSubscription extends Disposable {
  /** Listens for what the session is owed without asking. */
  begin(): void;
  /** Resolves with the server's refusal, or undefined when it has acknowledged. */
  subscribe(uri: string): Promise<string | undefined>;
  unsubscribe(uri: string): void;
}

export interface SessionSubscriptionOptions {
  readonly capabilities: Params;
  readonly owner: string;
  /** What each request says about itself. */
  about(): Params;
  open(): Promise<ModernServer>;
  changed(notification: Notification): void;
}

/** Milliseconds until a subscription that ended is asked for again, doubled each time. */
const soonest = 500;
const latest = 60_000;

export function sessionSubscription(options: SessionSubscriptionOptions): SessionSubscription {
  const uris = new Set<string>();
  const lists = Object.fromEntries(
    ['tools', 'prompts', 'resources'].flatMap((list) => {
      const capability = options.capabilities[list];
      return isObject(capability) && capability.listChanged === true ? [[`${list}ListChanged`, true]] : [];
    }),
  );
  let current: { readonly number: number; cancel(reason: string): void } | undefined;
  let newest = 0;
  let began = false;
  let over = false;
  let wait = soonest;
  let timer: NodeJS.Timeout | undefined;

  const again = () => {
    clearTimeout(timer);
    timer = setTimeout(() => void listen(), wait);
    wait = Math.min(2 * wait, latest);
  };

  /** The filter cannot be changed, so another takes over from the former one when it is acknowledged: nothing is missed. */
  const listen = async (): Promise<Params | string> => {
    clearTimeout(timer);
    const number = ++newest;
    const former = current;
    const watched = [...uris];
    const wanted = { ...lists, ...(watched.length > 0 && { resourceSubscriptions: watched }) };
    if (Object.keys(wanted).length === 0) {
      current = undefined;
      former?.cancel('unsubscribed');
      return {};
    }
    let server: ModernServer;
    try {
      server = await options.open();
    } catch (error) {
      if (!over && number === newest) again();
      return String((error as Error).message);
    }
    if (over || number !== newest) return 'superseded';
    const { promise, resolve } = Promise.withResolvers<Params | string>();
    const params = { notifications: wanted, _meta: options.about() };
    const request = write({ id: `subscription-${number}`, method: 'subscriptions/listen', params }) as Request;
    let call: Call | undefined;
    const own = { number, cancel: (reason: string) => call?.cancel(reason) };
    const sink: Sink = {
      notify(message) {
        if (message.method !== 'notifications/subscriptions/acknowledged') {
          if (current === own) options.changed(message);
          return;
        }
        if (over || (current && current.number > number)) return own.cancel('replaced');
        wait = soonest;
        current?.cancel('replaced');
        current = own;
        const { notifications } = message.params;
        resolve(isObject(notifications) ? notifications : {});
      },
      respond({ error }) {
        resolve(isObject(error) && typeof error.message === 'string' ? error.message : 'the subscription has ended');
        if (over || number !== newest) return;
        if (current === own) current = undefined;
        // ST-15: what it was for is still wanted. One that was refused is not asked for again.
        if (error === undefined || server.over()) again();
      },
    };
    call = server.call(request, sink, { owner: options.owner });
    return promise;
  };

  return {
    begin() {
      if (began) return;
      began = true;
      void listen();
    },
    async subscribe(uri) {
      if (current && uris.has(uri)) return undefined;
      uris.add(uri);
      const granted = await listen();
      const list = typeof granted === 'string' ? granted : granted.resourceSubscriptions;
      if (list === 'superseded' || (Array.isArray(list) && list.includes(uri))) return undefined;
      uris.delete(uri);
      return typeof list === 'string' ? list : 'the server does not tell of changes to this resource';
    },
    unsubscribe(uri) {
      if (uris.delete(uri)) void listen();
    },
    [Symbol.dispose]() {
      over = true;
      clearTimeout(timer);
      current?.cancel('the session is over');
    },
  };
}

/** Whether a resource of this server can be watched. */
export function watchable({ resources }: Params): boolean {
  return isObject(resources) && resources.subscribe === true;
}
