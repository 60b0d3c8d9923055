import type { Clock } from "../../clock.ts";
import type { Caller } from "../callers/caller.ts";
import { createLimiter, type RateLimit } from "../callers/limit.ts";
import { createAuthenticator, type Merchant } from "../callers/merchants.ts";
import { type Endpoint, type Refusal, type Status, unexpected } from "../wire/request.ts";

export type DoorPort = {
  readonly clock: Clock;
  readonly merchants: readonly Merchant[];
  /** Whether only merchants are served. */
  readonly merchantsOnly: boolean;
  /** How many requests one address may make. Merchants have their own bounds. */
  readonly rateLimit: RateLimit | undefined;
  readonly isClosing: () => boolean;
};

/** A request before its body is read. */
export type Knock = {
  readonly endpoint: Endpoint;
  /** The header Authorization. */
  readonly authorization: string | undefined;
  readonly address: string;
  /** The header Idempotency-Key. */
  readonly idempotencyKey: string | undefined;
};

/** Finds who asks, or why they may not ask now. This part of admission needs no body. */
export function createDoor(port: DoorPort): (knock: Knock) => Refusal | Caller {
  const { clock, merchants, rateLimit } = port;
  const authenticate = createAuthenticator(merchants);
  const limitAddress = createLimiter(rateLimit, clock);
  const limitMerchant = new Map(merchants.map((one) => [one.id, createLimiter(one.rateLimit, clock)]));

  return ({ endpoint, authorization, address, idempotencyKey }) => {
    const no = (status: Status, message: string, retryAfterSeconds?: number): Refusal => {
      return { status, reason: unexpected(endpoint), message, retryAfterSeconds };
    };
    if (port.isClosing()) return no(503, "the facilitator is stopping", 5);
    const bearer = authenticate(authorization);
    const merchant = typeof bearer === "string" ? undefined : bearer;
    // A guess at a key counts against the address that it comes from.
    const waitSeconds = merchant === undefined ? limitAddress(address) : limitMerchant.get(merchant.id)?.(merchant.id);
    if (waitSeconds !== undefined) return no(429, "too many requests", waitSeconds);
    if (bearer === "unknown") return no(401, "the API key is not known");
    if (merchant === undefined && port.merchantsOnly) return no(401, "an API key is needed here");
    return { merchant, address, idempotencyKey };
  };
}
