import type { Clock } from "../../clock.ts";
import { secondsNow } from "../../clock.ts";
import { fingerprintOf } from "../admission/claims.ts";
import type { ExactRequest } from "../wire/body.ts";
import { REASON } from "../wire/reasons.ts";
import { no, type Verdict } from "./verdict.ts";

/** Remembers requests that were verified a moment ago, but nothing that the chain said. */
export type SignatureChecks = {
  readonly note: (request: ExactRequest) => void;
  /**
   * The verdict on a request that was noted. Only its time bounds are checked again. Undefined if it was not noted, or too long
   * ago: then it must be verified.
   */
  readonly recall: (request: ExactRequest) => Verdict | undefined;
};

/** How long a check is good for: servers settle soon after they verify. */
const GOOD_FOR_MS = 60_000;
const REMEMBERED = 10_000;
/** The same margin as in the official packages. */
const MARGIN_SECONDS = 6n;

/**
 * Spares /settle the signature check that /verify has just made of the same request (the same payload, signature and
 * requirements). Settling looks at the chain again.
 */
export function createSignatureChecks(clock: Clock, chainId: number): SignatureChecks {
  const noted = new Map<string, number>();
  const keyOf = (request: ExactRequest): string => {
    const { version, accepted, required } = request;
    const rest = [version, accepted.scheme, accepted.network, required.network, required.domain];
    return `${fingerprintOf(request, chainId)} ${JSON.stringify(rest)}`;
  };
  return {
    note: (request) => {
      const key = keyOf(request);
      noted.delete(key);
      noted.set(key, clock.now());
      const [oldest] = noted.keys();
      if (noted.size > REMEMBERED && oldest !== undefined) noted.delete(oldest);
    },
    recall: (request) => {
      const notedMs = noted.get(keyOf(request));
      if (notedMs === undefined || clock.now() - notedMs > GOOD_FOR_MS) return undefined;
      const { validAfter, validBefore } = request.authorization;
      const nowSeconds = secondsNow(clock);
      if (validBefore < nowSeconds + MARGIN_SECONDS) return no(REASON.validBefore);
      return validAfter > nowSeconds ? no(REASON.validAfter) : { isValid: true };
    },
  };
}
