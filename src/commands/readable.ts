/** Quantities as people read them. */

/** `512 B`, `3.4 MB` */
export function readableSize(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB'];
  const step = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const amount = bytes / 1024 ** step;
  return `${amount < 10 && step > 0 ? amount.toFixed(1) : Math.round(amount)} ${units[step]}`;
}

/** The two largest units of so many seconds: `3d 4h`, `5m 12s`. */
export function readableTime(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [
    [Math.floor(whole / 86400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'm'],
    [whole % 60, 's'],
  ] as const;
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first === -1) return '0s';
  const shown = parts.slice(first, first + 2).filter(([amount]) => amount > 0);
  return shown.map(([amount, unit]) => `${amount}${unit}`).join(' ');
}

/** `2026-03-01 14:05 UTC` of seconds since the epoch, or of an ISO 8601 text. */
export function readableDate(at: number | string): string {
  const text = new Date(typeof at === 'number' ? at * 1000 : at).toISOString();
  return `${text.slice(0, 16).replace('T', ' ')} UTC`;
}
