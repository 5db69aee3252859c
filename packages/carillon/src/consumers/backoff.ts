const MAX_BACKOFF_MS = 5_000;

/** Milliseconds: `min(5 s, (10 ms + 0–9 ms) · 2^retries)`, retries counted from 1 (consumers, section 1.3). */
export function backoff(retries: number): number {
  return Math.min(MAX_BACKOFF_MS, (10 + Math.floor(Math.random() * 10)) * 2 ** Math.min(retries, 10));
}
