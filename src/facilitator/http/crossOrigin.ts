import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";

/** The headers that a page may send, and those that it may read in an answer, besides the usual ones. */
const ASKS_WITH = ["Content-Type", "Authorization", "Idempotency-Key", "X-Request-Id"];
const READS = ["Retry-After", "X-Request-Id", "EXTENSION-RESPONSES"];
const PREFLIGHT_SECONDS = 600;

/**
 * Lets pages of the allowed origins ask and read answers (CORS), without cookies. Other pages get no CORS headers, so their
 * browsers do not let them read anything.
 * @param allowed Origins in lower case; "*" stands for all.
 */
export function crossOrigin(allowed: readonly string[]): MiddlewareHandler {
  if (allowed.length === 0) return (_c, next) => next();
  const letIn = cors({
    origin: (origin) => origin,
    allowMethods: ["GET", "POST"],
    allowHeaders: ASKS_WITH,
    exposeHeaders: READS,
    maxAge: PREFLIGHT_SECONDS,
  });
  return async (c, next) => {
    const origin = c.req.header("origin");
    if (origin !== undefined && isAllowed(origin, allowed)) return letIn(c, next);
    await next();
    // A cache must not give this answer to an allowed page.
    c.header("Vary", "Origin", { append: true });
  };
}

function isAllowed(origin: string, allowed: readonly string[]): boolean {
  return allowed.includes("*") || allowed.includes(origin.toLowerCase());
}
