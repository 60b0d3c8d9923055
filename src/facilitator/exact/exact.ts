import type {
  Network,
  PaymentPayload,
  PaymentRequirements,
  SchemeNetworkFacilitator,
  SettleResponse,
  VerifyResponse,
} from "@x402/core/types";
import type { Address } from "viem";
import type { SettlementLevel } from "../../journal/ports/evidence.ts";
import { named } from "../callers/bringers.ts";
import type { Caller } from "../callers/caller.ts";
import type { TokenTerms } from "../node/tokens.ts";
import { type ExactRequest, isPermit2, networkEcho, payerOf, type Reading, readExact } from "../wire/body.ts";
import { REASON, reasonFor } from "../wire/reasons.ts";
import type { StatusUrl } from "../wire/statusUrl.ts";
import type { BatchPlace } from "./place.ts";
import type { Settlement, SettleOptions, Settler } from "./settle.ts";
import type { Verdict } from "./verdict.ts";

/** What the scheme needs from the facilitator. */
export type ExactSchemePort = {
  readonly verify: (request: ExactRequest, caller?: Caller) => Promise<Verdict>;
  readonly settle: Settler;
  /** The URL of a payment's status, for receipts. Undefined if nobody can ask for it. */
  readonly statusUrl?: StatusUrl | undefined;
  /** The sending keys, for /supported. */
  readonly addresses: () => readonly Address[];
  /** Domain and decimals of the usual token, for /supported: some servers take them from there. */
  readonly token?: TokenTerms | undefined;
  /**
   * What is known about the request that a payload came with. Without a caller, anybody who sends the same payload and
   * requirements soon after an answer that was not final counts as the same caller.
   */
  readonly contextOf?: (payload: PaymentPayload) => ExactContext | undefined;
};

/** What a request brings besides payload and requirements. */
export type ExactContext = SettleOptions & {
  /** Payload and requirements if they were parsed before; they are parsed here if it is left out. */
  readonly request?: ExactRequest | undefined;
};

/**
 * The scheme `exact` for EIP-3009 tokens. @x402/evm verifies, and settlements share transactions. Register it in an
 * `x402Facilitator` in the place of the official one, once for each version.
 */
export function createExactScheme(version: 1 | 2, port: ExactSchemePort): SchemeNetworkFacilitator {
  return {
    scheme: "exact",
    caipFamily: "eip155:*",
    getExtra: () => (port.token === undefined ? undefined : { ...port.token }),
    getSigners: () => [...port.addresses()],
    verify: async (payload, requirements) => {
      const context = port.contextOf?.(payload);
      const read = readPayload(version, payload, requirements, context?.request);
      if (!read.ok) return invalid(version, read.reason, read.problem, payerOf(payload));
      const verdict = await port.verify(read.value, context?.caller);
      const payer = read.value.authorization.from;
      return verdict.isValid ? { isValid: true, payer } : invalid(version, verdict.reason, verdict.message, payer);
    },
    settle: async (payload, requirements) => {
      const network = networkEcho(payload) as Network;
      const { request, ...options } = port.contextOf?.(payload) ?? {};
      const read = readPayload(version, payload, requirements, request);
      if (!read.ok) {
        return unsettled(
          version,
          { status: "failed", reason: read.reason, message: read.problem },
          network,
          payerOf(payload),
        );
      }
      const caller = named(options.caller, payload, requirements);
      const settlement = await port.settle(read.value, { ...options, caller });
      const { from } = read.value.authorization;
      const where = port.statusUrl?.(read.value);
      if (settlement.status === "failed") return unsettled(version, settlement, network, from);
      if (settlement.status === "pending") {
        return { ...unsettled(version, settlement, network, from), ...receipt(version, {}, where) };
      }
      const { transaction, level, place } = settlement;
      return { success: true, payer: from, transaction, network, ...receipt(version, { level, place }, where) };
    },
  };
}

/**
 * What a success stands on, and what tells a payment from the others in its transaction: its place, and the URL of its status.
 * Some servers hand on only the `extensions` of a receipt; v1 has none.
 */
function receipt(
  version: 1 | 2,
  { level, place }: { readonly level?: SettlementLevel; readonly place?: BatchPlace | undefined },
  payment: string | undefined,
) {
  const extra = {
    ...(level !== undefined && { level }),
    ...(place && { batch: { ...place } }),
    ...(payment !== undefined && { payment }),
  };
  return {
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
    ...(version === 2 && payment !== undefined ? { extensions: { tributary: { payment } } } : {}),
  };
}

function readPayload(
  version: 1 | 2,
  payload: PaymentPayload,
  requirements: PaymentRequirements,
  parsed: ExactRequest | undefined,
): (Reading<ExactRequest> & { ok: true }) | { readonly ok: false; readonly reason: string; readonly problem: string } {
  if (parsed?.version === version) return { ok: true, value: parsed };
  if (isPermit2(payload)) {
    return { ok: false, reason: REASON.unsupportedPayload, problem: "only EIP-3009 authorizations are settled here" };
  }
  const read = readExact(payload, requirements);
  if (!read.ok) return { ok: false, reason: REASON.invalidPayload, problem: read.problem };
  if (read.value.version === version) return read;
  return { ok: false, reason: REASON.invalidVersion, problem: `the payload is of x402 version ${read.value.version}` };
}

function invalid(
  version: 1 | 2,
  reason: string,
  message: string | undefined,
  payer: string | undefined,
): VerifyResponse {
  return {
    isValid: false,
    invalidReason: reasonFor(version, reason),
    ...(message === undefined ? {} : { invalidMessage: message }),
    ...(payer === undefined ? {} : { payer }),
  };
}

function unsettled(
  version: 1 | 2,
  settlement: Settlement & { status: "failed" | "pending" },
  network: Network,
  payer: string | undefined,
): SettleResponse {
  const { reason, message } = settlement.status === "pending" ? unclear(settlement) : settlement;
  return {
    success: false,
    errorReason: reasonFor(version, reason),
    ...(message === undefined ? {} : { errorMessage: message }),
    transaction: settlement.transaction ?? "",
    network,
    ...(payer === undefined ? {} : { payer }),
  };
}

/** The official "pending" is only for a payment that has a transaction. */
function unclear({ transaction }: Settlement & { status: "pending" }): { reason: string; message: string } {
  return transaction === undefined
    ? { reason: REASON.settleError, message: "its outcome is not known yet; ask for its status" }
    : { reason: REASON.pending, message: "sent, and not mined yet; it may still settle" };
}
