/** `subscriptions/listen` for a server of the sessions era, from its list_changed and its resource subscriptions (TR-34). */

import { interests } from './interests.ts';
import { find, splice } from './json-text.ts';
import { put } from './legacy-wire.ts';
import { isObject, type Notification, type Params, type Request, rpcCode, textOf, write } from './message.ts';
import { metaKey } from './modern-revision.ts';
import { type Call, failure, rawId, type Sink, subscriptionOver } from './modern-server.ts';

export interface ChangeListeners {
  open(request: Request, sink: Sink): Call;
  /** True where it is news of the kind that is listened for; also where nobody does. */
  changed(notification: Notification): boolean;
  /** Each subscription ends with its result. */
  end(): void;
  readonly size: number;
}

export interface ChangeListenersOptions {
  /** Of the server. */
  readonly capabilities: Params;
  /** A request of the gateway's own; whether the server agreed. */
  order(method: string, params: Params): Promise<boolean>;
}

interface Listener {
  readonly request: Request;
  readonly sink: Sink;
  readonly lists: ReadonlySet<string>;
  /** What has been acknowledged is heard, and nothing before. */
  open: boolean;
}

const lists = ['tools', 'prompts', 'resources'] as const;
const mostUris = 1000;

export function changeListeners({ capabilities, order }: ChangeListenersOptions): ChangeListeners {
  const listeners = new Set<Listener>();
  const wants = interests<Listener>();
  const offers = (list: string, what: string) => {
    const capability = capabilities[list];
    return isObject(capability) && capability[what] === true;
  };

  const leave = (listener: Listener) => {
    listeners.delete(listener);
    for (const uri of wants.leave(listener).uris) void order('resources/unsubscribe', { uri });
  };

  const subscribe = async (listener: Listener, uri: string): Promise<string[]> => {
    if (!(await order('resources/subscribe', { uri }))) return [];
    wants.subscribed(listener, uri);
    return [uri];
  };

  const begin = async (listener: Listener, uris: readonly string[]) => {
    const agreed = (await Promise.all(uris.map((uri) => subscribe(listener, uri)))).flat();
    if (!listeners.has(listener)) return leave(listener);
    listener.open = true;
    const notifications = {
      ...Object.fromEntries([...listener.lists].map((list) => [`${list}ListChanged`, true])),
      ...(agreed.length > 0 && { resourceSubscriptions: agreed }),
    };
    const acknowledged = write({ method: 'notifications/subscriptions/acknowledged', params: { notifications } });
    listener.sink.notify(tagged(acknowledged as Notification, listener.request));
  };

  return {
    open(request, sink) {
      const filter = request.params.notifications;
      const uris = isObject(filter) ? (filter.resourceSubscriptions ?? []) : undefined;
      if (
        !isObject(filter) ||
        !Array.isArray(uris) ||
        uris.length > mostUris ||
        !uris.every((uri) => typeof uri === 'string')
      ) {
        sink.respond(failure(request, '"notifications" is not a filter', rpcCode.invalidParams));
        return { cancel() {} };
      }
      const heard = lists.filter((list) => filter[`${list}ListChanged`] === true && offers(list, 'listChanged'));
      const listener: Listener = { request, sink, lists: new Set(heard), open: false };
      listeners.add(listener);
      void begin(listener, offers('resources', 'subscribe') ? [...new Set(uris)] : []);
      return { cancel: () => leave(listener) };
    },
    changed(notification) {
      const { method, params } = notification;
      const list = /^notifications\/(tools|prompts|resources)\/list_changed$/.exec(method)?.[1];
      const updated = method === 'notifications/resources/updated';
      if (list === undefined && !updated) return false;
      const those = updated
        ? wants.wanting(textOf(params.uri))
        : [...listeners].filter((one) => one.lists.has(String(list)));
      for (const { sink, request, open } of those) if (open) sink.notify(tagged(notification, request));
      return true;
    },
    end() {
      const all = [...listeners];
      listeners.clear();
      for (const { sink, request } of all) sink.respond(subscriptionOver(request));
    },
    get size() {
      return listeners.size;
    },
  };
}

/** Every event says which subscription it belongs to, by the id as the client wrote it. */
function tagged(notification: Notification, request: Request): Notification {
  const meta = `{"${metaKey.subscriptionId}":${rawId(request)}}`;
  const { bytes } = notification;
  const span = find(bytes, ['params']);
  const edits = span
    ? put(bytes, span, [['_meta', meta]])
    : put(bytes, { start: 0, end: bytes.length }, [['params', `{"_meta":${meta}}`]]);
  const params = { ...notification.params, _meta: { [metaKey.subscriptionId]: request.id } };
  return { ...notification, params, bytes: splice(bytes, edits) };
}
