/** Shorter answers for those who can read them: Traefik's `compress`. RFC 9110 §8.4, §12.5.3. */

import type { ServerResponse } from 'node:http';
import { type Transform, Writable } from 'node:stream';
import { constants, createBrotliCompress, createGzip, createZstdCompress } from 'node:zlib';
import type { Middleware } from '../handler.ts';
import { beforeHead } from '../response-head.ts';
import { appendVary } from '../vary.ts';
import type { MiddlewareConfig } from './config.ts';

type Encoding = NonNullable<MiddlewareConfig['compress']>['encodings'][number];

/** Each piece goes out as it comes, so that a stream stays one. */
const encoders: Readonly<Record<Encoding, () => Transform>> = {
  gzip: () => createGzip({ flush: constants.Z_SYNC_FLUSH }),
  br: () =>
    createBrotliCompress({
      flush: constants.BROTLI_OPERATION_FLUSH,
      params: { [constants.BROTLI_PARAM_QUALITY]: 4 },
    }),
  zstd: () => createZstdCompress({ flush: constants.ZSTD_e_flush }),
};

/** Events must not wait, gRPC and these formats are compressed by themselves. */
const never = /^(?:text\/event-stream|application\/(?:grpc|zip|gzip|zstd)|video\/|audio\/|image\/(?!svg|bmp))/i;

export function compress(config: NonNullable<MiddlewareConfig['compress']>): Middleware {
  const { minResponseBodyBytes, encodings } = config;
  const excluded = config.excludedContentTypes.map((type) => type.toLowerCase());
  const included = config.includedContentTypes.map((type) => type.toLowerCase());
  const worthwhile = (res: ServerResponse, status: number): boolean => {
    const type = String(res.getHeader('content-type') ?? '').toLowerCase();
    const plain = type.split(';')[0]?.trim() ?? '';
    if (type === '' || never.test(type) || excluded.includes(plain)) return false;
    if (included.length > 0 && !included.includes(plain)) return false;
    const length = res.getHeader('content-length');
    if (length !== undefined && Number(length) < minResponseBodyBytes) return false;
    // RFC 9110 §14: a range is one of the form it was cut from. RFC 9111 §5.2.2.6: no-transform.
    if (status === 204 || status === 206 || status === 304 || res.hasHeader('content-encoding')) return false;
    return !/no-transform/i.test(String(res.getHeader('cache-control') ?? ''));
  };
  return (next) => (exchange) => {
    const { req, res } = exchange;
    const encoding = bestEncoding(String(req.headers['accept-encoding'] ?? ''), encodings);
    if (exchange.upgrade !== undefined || req.method === 'HEAD') return next(exchange);
    encode(res, (status) => {
      if (!worthwhile(res, status)) return undefined;
      appendVary(res, 'Accept-Encoding');
      if (encoding === undefined) return undefined;
      res.removeHeader('content-length');
      res.removeHeader('accept-ranges');
      res.setHeader('content-encoding', encoding);
      const tag = res.getHeader('etag');
      // RFC 9110 §8.8.3: a strong tag names the bytes, which are others now.
      if (typeof tag === 'string' && tag.startsWith('"')) res.setHeader('etag', `W/${tag}`);
      return encoders[encoding]();
    });
    return next(exchange);
  };
}

/** RFC 9110 §12.5.3: the one with the highest weight, by the configured order among equals. */
export function bestEncoding(accepted: string, encodings: readonly Encoding[]): Encoding | undefined {
  const weights = new Map<string, number>();
  for (const item of accepted.toLowerCase().split(',')) {
    const [name = '', ...parameters] = item.split(';').map((part) => part.trim());
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    weights.set(name, weight === undefined ? 1 : Number(weight.slice(2)) || 0);
  }
  let best: Encoding | undefined;
  let highest = 0;
  for (const encoding of encodings) {
    const weight = weights.get(encoding) ?? weights.get('*') ?? 0;
    if (weight <= highest) continue;
    best = encoding;
    highest = weight;
  }
  return best;
}

/** Puts what `choose` answers, when the head is known, between the service and the client. */
function encode(res: ServerResponse, choose: (status: number) => Transform | undefined): void {
  const write = res.write.bind(res);
  const end = res.end.bind(res);
  let encoder: Transform | undefined;
  beforeHead(res, (status) => {
    encoder = choose(status);
    if (encoder === undefined) return;
    const client = new Writable({
      write(chunk: Buffer, _, done) {
        if (write(chunk)) done();
        else res.once('drain', () => done());
      },
      final(done) {
        end();
        done();
      },
    });
    const made = encoder;
    made.on('drain', () => res.emit('drain')).pipe(client);
    made.on('error', () => res.destroy());
    res.once('close', () => made.destroy());
  });
  const head = () => {
    if (!res.headersSent) res.writeHead(res.statusCode);
  };
  res.write = ((chunk: Buffer | string) => {
    head();
    return encoder ? encoder.write(chunk) : write(chunk);
  }) as typeof res.write;
  res.end = ((chunk?: Buffer | string) => {
    head();
    if (encoder) encoder.end(chunk);
    else end(chunk);
    return res;
  }) as typeof res.end;
}
