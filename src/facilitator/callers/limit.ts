import type { Clock } from "../../clock.ts";

/** How many requests one caller may make: on average `perSecond`, and `burst` at once. */
export type RateLimit = { readonly perSecond: number; readonly burst: number };

/** How many callers are remembered. The one that was idle for longest is forgotten first. */
const REMEMBERED = 10_000;

/**
 * A token bucket for each caller.
 * @returns Undefined if a request may pass, else the seconds to wait, for Retry-After.
 */
export function createLimiter(limit: RateLimit | undefined, clock: Clock): (caller: string) => number | undefined {
  if (limit === undefined) return () => undefined;
  const buckets = new Map<string, { tokens: number; atMs: number }>();
  return (caller) => {
    const nowMs = clock.now();
    const bucket = buckets.get(caller) ?? { tokens: limit.burst, atMs: nowMs };
    buckets.delete(caller);
    buckets.set(caller, bucket);
    bucket.tokens = Math.min(limit.burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * limit.perSecond);
    bucket.atMs = nowMs;
    const [oldest] = buckets.keys();
    if (buckets.size > REMEMBERED && oldest !== undefined) buckets.delete(oldest);
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return undefined;
    }
    return Math.max(1, Math.ceil((1 - bucket.tokens) / limit.perSecond));
  };
}
