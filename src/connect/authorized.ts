/** A server that wants a token with every request. */

import type { RemoteServer } from '../mcp/remote-server.ts';
import type { Access } from './access.ts';
import { bearerChallenge } from './challenge.ts';

/** Each request is tried again once with a better token, and once more where that lacks a scope. */
const mostTries = 3;

export function authorized(server: RemoteServer, access: Access): RemoteServer {
  return {
    ...server,
    async ask(question) {
      let token = await access.current();
      for (let tries = 1; ; tries++) {
        const headers = { ...question.headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) };
        const answer = await server.ask({ ...question, headers });
        const challenge = bearerChallenge(answer.challenge);
        // RFC 6750 §3.1: 401 wants another token, 403 one that may do more.
        const wanting = answer.status === 401 || (answer.status === 403 && challenge.error === 'insufficient_scope');
        if (!wanting || tries === mostTries) return answer;
        await answer.text();
        token = await access.renewed(challenge, token);
      }
    },
  };
}
