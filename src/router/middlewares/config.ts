/** Slice of the configuration: middlewares, in Traefik's names and with its defaults. */

import * as z from 'zod';
import { duration } from '../../units.ts';

const list = (what: string) => z.array(z.string().min(1)).default([]).describe(what);
const flag = (what: string) => z.boolean().default(false).describe(what);
const path = () => z.string().regex(/^\/[^?#\\\s]*$/, 'must begin with "/"');

const sourceCriterion = () =>
  z
    .strictObject({
      requestHeaderName: z.string().min(1).optional().describe('Count by the value of this header.'),
      requestHost: flag('Count by the host that is asked for.'),
    })
    .describe('Whom a limit counts for.');

const headers = () =>
  z.strictObject({
    customRequestHeaders: z.record(z.string(), z.string()).default({}).describe('For the service; "" removes one.'),
    customResponseHeaders: z.record(z.string(), z.string()).default({}).describe('For the client; "" removes one.'),
    accessControlAllowOriginList: list('Origins whose pages may read answers.'),
    accessControlAllowOriginListRegex: list('The same as regular expressions.'),
    accessControlAllowMethods: list('What a preflight is told.'),
    accessControlAllowHeaders: list('What a preflight is told.'),
    accessControlExposeHeaders: list('Headers that pages may read.'),
    accessControlAllowCredentials: flag('Whether pages may send cookies.'),
    accessControlMaxAge: z.int().nonnegative().default(0).describe('Seconds a preflight is remembered.'),
    addVaryHeader: flag('Whether caches are told that answers depend on Origin.'),
    stsSeconds: z.int().nonnegative().default(0).describe('max-age of Strict-Transport-Security; 0 sends none.'),
    stsIncludeSubdomains: flag('For subdomains too.'),
    stsPreload: flag("For browsers' built-in lists."),
    forceSTSHeader: flag('Over plain HTTP too.'),
    frameDeny: flag('X-Frame-Options: DENY.'),
    customFrameOptionsValue: z.string().optional().describe('X-Frame-Options.'),
    contentTypeNosniff: flag('X-Content-Type-Options: nosniff.'),
    contentSecurityPolicy: z.string().optional().describe('Content-Security-Policy.'),
    contentSecurityPolicyReportOnly: z.string().optional().describe('Content-Security-Policy-Report-Only.'),
    referrerPolicy: z.string().optional().describe('Referrer-Policy.'),
    permissionsPolicy: z.string().optional().describe('Permissions-Policy.'),
  });

const kinds = () => ({
  addPrefix: z.strictObject({ prefix: path().describe('Put before the path.') }),
  basicAuth: z.strictObject({
    users: z
      .array(z.string())
      .min(1, 'needs a user')
      .describe('`name:hash` lines of htpasswd: $2y$, $apr1$, {SHA}, and $scrypt$.'),
    realm: z.string().default('traefik').describe('What a browser shows.'),
    removeHeader: flag('Whether the service does not see Authorization.'),
    headerField: z.string().min(1).optional().describe('The header that tells the service the name.'),
  }),
  buffering: z.strictObject({
    maxRequestBodyBytes: z.int().positive().describe('A larger request body is 413. Nothing is held back.'),
  }),
  chain: z.strictObject({ middlewares: z.array(z.string()).min(1).describe('Names, outermost first.') }),
  circuitBreaker: z.strictObject({
    expression: z.string().describe('When it trips, such as NetworkErrorRatio() > 0.30.'),
    checkPeriod: duration.prefault('100ms').describe('How often that is looked at.'),
    fallbackDuration: duration.prefault('10s').describe('How long the service is left alone.'),
    recoveryDuration: duration.prefault('10s').describe('Over which time it gets its requests back.'),
    responseCode: z.int().min(400).max(599).default(503).describe('The answer meanwhile.'),
  }),
  compress: z.strictObject({
    minResponseBodyBytes: z.int().nonnegative().default(1024).describe('Shorter answers stay as they are.'),
    excludedContentTypes: list('Types that stay as they are; event streams always do.'),
    includedContentTypes: list('The only types that are compressed. [all]'),
    encodings: z
      .array(z.enum(['gzip', 'br', 'zstd']))
      .default(['gzip', 'br', 'zstd'])
      .describe('In order of preference.'),
  }),
  forwardAuth: z.strictObject({
    address: z.url({ protocol: /^https?$/ }).describe('Asked by GET; 2xx lets the request pass.'),
    authResponseHeaders: list('Headers of its answer that replace those of the request.'),
    authRequestHeaders: list("The only headers of the client's that it gets. [all]"),
  }),
  headers: headers(),
  inFlightReq: z.strictObject({
    amount: z.int().positive().describe('Requests at once from one source.'),
    sourceCriterion: sourceCriterion().prefault({ requestHost: true }),
  }),
  ipAllowList: z.strictObject({
    sourceRange: z.array(z.string()).min(1).describe('Addresses and ranges of clients that may call.'),
    rejectStatusCode: z.int().min(400).max(599).default(403).describe('The answer to others.'),
  }),
  rateLimit: z.strictObject({
    average: z.int().nonnegative().default(0).describe('Requests from one source in each period; 0 = any number.'),
    period: duration.prefault('1s').describe('The period.'),
    burst: z.int().positive().default(1).describe('Requests that may come at once.'),
    sourceCriterion: sourceCriterion().prefault({}),
  }),
  redirectRegex: z.strictObject({
    regex: z.string().min(1).describe('Matched against the whole URL.'),
    replacement: z.string().min(1).describe('With $1 for the first group.'),
    permanent: flag('301 or 308 instead of 302 or 307.'),
  }),
  redirectScheme: z.strictObject({
    scheme: z.enum(['http', 'https']).describe('The scheme to use.'),
    port: z
      .string()
      .regex(/^\d{1,5}$/)
      .optional()
      .describe('Where it is not the usual one.'),
    permanent: flag('301 or 308 instead of 302 or 307.'),
  }),
  retry: z.strictObject({
    attempts: z.int().min(1).max(20).describe('How often a request is tried where that does no harm.'),
    initialInterval: duration.prefault('100ms').describe('The wait before the second attempt; it doubles at most.'),
  }),
  stripPrefix: z.strictObject({
    prefixes: z.array(path()).min(1).describe('The first that fits is cut off the path.'),
  }),
});

/** Made where a configuration has one: this is a third of the whole schema. */
const middleware = z.lazy(() => {
  const kind = kinds();
  return z
    .strictObject({
      addPrefix: kind.addPrefix.optional().describe('Puts something before the path.'),
      basicAuth: kind.basicAuth.optional().describe('Asks for a name and a password.'),
      buffering: kind.buffering.optional().describe('Limits the size of request bodies.'),
      chain: kind.chain.optional().describe('Several middlewares under one name.'),
      circuitBreaker: kind.circuitBreaker.optional().describe('Leaves a service alone that cannot cope.'),
      compress: kind.compress.optional().describe('Compresses answers, but no event streams.'),
      forwardAuth: kind.forwardAuth.optional().describe('Asks another service who may pass.'),
      headers: kind.headers.optional().describe('Sets and removes headers; cross-origin rules.'),
      inFlightReq: kind.inFlightReq.optional().describe('Limits requests at once.'),
      ipAllowList: kind.ipAllowList.optional().describe('Lets in some addresses only.'),
      rateLimit: kind.rateLimit.optional().describe('Limits requests over time.'),
      redirectRegex: kind.redirectRegex.optional().describe('Redirects by a regular expression.'),
      redirectScheme: kind.redirectScheme.optional().describe('Redirects from http to https, say.'),
      retry: kind.retry.optional().describe('Tries again where that does no harm.'),
      stripPrefix: kind.stripPrefix.optional().describe('Cuts a prefix off the path.'),
    })
    .refine((written) => Object.values(written).filter((value) => value !== undefined).length === 1, {
      error: 'must have one kind, such as {"stripPrefix": {"prefixes": ["/api"]}}',
    });
});

export const middlewaresConfig = z
  .record(z.string().regex(/^[\w.-]+$/), middleware)
  .default({})
  .describe("What requests pass on their way, by names that routers use. Kinds and keys are Traefik's.");

export type MiddlewareConfig = z.output<typeof middleware>;
export type SourceCriterion = z.output<ReturnType<typeof sourceCriterion>>;
