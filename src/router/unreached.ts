/** Whether a failed request cannot have been seen by the server it was meant for. */

const codes = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'EACCES',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** There was no connection to send it on. */
export function neverReached(error: unknown): boolean {
  return error instanceof Error && 'code' in error && codes.has(String(error.code));
}
