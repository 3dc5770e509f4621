/** What an operator can have the running gateway do. */

import type { Gateway } from '../gateway.ts';
import type { Operations } from './socket.ts';

export interface OperationsParts {
  readonly gateway: Gateway;
  /** Reads the configuration anew and puts it to work; rejects with all its faults and nothing changed. */
  reload(): Promise<void>;
}

export function operations({ gateway, reload }: OperationsParts): Operations {
  return {
    'GET /status': () => gateway.status(),
    'POST /reload': async () => {
      await reload();
      return { reloaded: true };
    },
  };
}
