/** What a session talks to: a child of its own, or a seat at one it shares. */

import type { Exchange } from '../router/handler.ts';
import type { Ending } from './child.ts';
import type { Id, Message } from './message.ts';

export interface Connection {
  send(message: Message): void;
  /** Bytes the server has not read yet. */
  backlog(): number;
  /** True makes the server wait for us. Absent where others would have to wait with it. */
  hold?(on: boolean): void;
  /** A call was not answered in time: the server has to show that it is alive, or is ended. */
  suspect(): void;
  /** Nothing is heard from it afterwards. */
  close(reason: string): Promise<void>;
}

export interface ConnectionEvents {
  /** `about` is the client's request that it belongs to, null for none of them, where that is known. */
  message(message: Message, about?: Id | null): void;
  /** The server is gone without our doing. */
  ended(ending: Ending): void;
}

/** Who asks. */
export type Visitor = Pick<Exchange, 'caller' | 'clientAddress'>;

/** `account` is whom the child counts against. Rejects with Unavailable or a Refusal. */
export type Connect = (visitor: Visitor, account: string, events: ConnectionEvents) => Promise<Connection>;

/** The server speaks no revision that has a handshake. */
export class ModernOnly extends Error {
  override readonly name = 'ModernOnly';
}
