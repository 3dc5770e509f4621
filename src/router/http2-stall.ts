/** HTTP/2 has none of node:http's timers: each stream gets one of its own, and a session ends when it is idle. RFC 9113 §5.4, §6.8, §10.5. */

import { constants, type Http2Session, type ServerHttp2Stream } from 'node:http2';
import type { Server } from 'node:net';

/** PING and SETTINGS in a second, which we must answer. Clients need a few; nghttp2 itself caps only answers that are not read. */
const mostQuestions = 100;

/** Cuts a stream whose body stops, or whose answer nobody takes, for `stall` ms. An event stream with nothing to say goes on. */
export function timeStreams(server: Server, stall: number): void {
  const open = new WeakMap<Http2Session, number>();
  // Node's own callbacks are called once; these as often as there is silence.
  server.on('session', (session: Http2Session) => {
    session.on('timeout', () => {
      if ((open.get(session) ?? 0) === 0) session.close();
    });
    let asked = 0;
    let since = 0;
    const count = () => {
      const now = performance.now();
      if (now - since > 1000) [since, asked] = [now, 0];
      // RFC 9113 §10.5: what has no other use than to cost.
      if (++asked > mostQuestions) session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
    };
    session.on('ping', count).on('remoteSettings', count);
  });
  server.on('stream', (stream: ServerHttp2Stream) => {
    const { session } = stream;
    if (session === undefined) return;
    open.set(session, (open.get(session) ?? 0) + 1);
    stream.once('close', () => {
      open.set(session, (open.get(session) ?? 1) - 1);
      if (!session.destroyed) session.setTimeout(stall);
    });
    stream.on('error', () => {});
    stream.setTimeout(stall);
    stream.on('timeout', () => {
      const awaited = !stream.readableEnded && !stream.endAfterHeaders;
      if (awaited || stream.writableLength > 0) stream.close(constants.NGHTTP2_CANCEL);
    });
  });
}
