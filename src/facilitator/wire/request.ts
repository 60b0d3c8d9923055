import type { x402Facilitator } from "@x402/core/facilitator";
import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { type ExactRequest, isPermit2, networkEcho, payerOf, propertyOf, readEnvelope, readExact } from "./body.ts";
import { readPaymentIdentifier } from "./identifier.ts";
import { REASON, reasonFor } from "./reasons.ts";

/** The endpoints that take payments. */
export type PaymentEndpoint = "verify" | "settle";
/** The endpoints that take a POST. */
export type Endpoint = PaymentEndpoint | "accepts";
export type Status = 200 | 400 | 401 | 403 | 409 | 413 | 415 | 429 | 500 | 503;

/** A request of /verify or /settle that can be handled. */
export type Call = {
  readonly endpoint: PaymentEndpoint;
  readonly requestId: string;
  readonly payload: PaymentPayload;
  readonly requirements: PaymentRequirements;
  /** Undefined for another scheme, and for a payload that its scheme will refuse. */
  readonly exact: ExactRequest | undefined;
  /** The payer's own id for the payment, from the extension payment-identifier. */
  readonly identifier: string | undefined;
};

/** Why a request is not handled, as the answer says it. */
export type Refusal = {
  readonly status: Status;
  readonly reason: string;
  readonly message: string;
  readonly network?: string;
  readonly payer?: string | undefined;
  readonly retryAfterSeconds?: number | undefined;
};

/** Finds which scheme handles a request, and whether it can read it. Malformed is 400; unsupported is a normal answer (200). */
export function readCall(
  x402: Pick<x402Facilitator, "getSupported">,
  body: unknown,
  endpoint: PaymentEndpoint,
  requestId: string,
): Call | Refusal {
  const rawPayload = propertyOf(body, "paymentPayload");
  const rawRequirements = propertyOf(body, "paymentRequirements");
  const echo = { network: networkEcho(rawPayload), payer: payerOf(rawPayload) };
  const malformed = (message: string, reason: string = REASON.invalidPayload): Refusal => {
    return { status: 400, reason, message, ...echo };
  };
  const envelope = readEnvelope(body);
  if (!envelope.ok) {
    const version = propertyOf(rawPayload, "x402Version");
    const isVersion = typeof version === "number" && version !== 1 && version !== 2;
    return malformed(envelope.problem, isVersion ? REASON.invalidVersion : REASON.invalidPayload);
  }
  const { version, scheme, network } = envelope.value;
  const kinds = x402.getSupported().kinds.filter((kind) => kind.x402Version === version);
  const no = (reason: string, message: string): Refusal => {
    return { status: 200, reason: reasonFor(version, reason), message, ...echo };
  };
  if (!kinds.some((kind) => kind.scheme === scheme))
    return no(REASON.unsupportedScheme, "this scheme is not served here");
  if (!kinds.some((kind) => kind.network === network))
    return no(REASON.invalidNetwork, "this network is not served here");
  const isExact = !isPermit2(rawPayload) && scheme === "exact";
  const exact = isExact ? readExact(rawPayload, rawRequirements) : undefined;
  if (exact?.ok === false) return malformed(exact.problem);
  const identifier = readPaymentIdentifier(rawPayload);
  if (!identifier.ok) return malformed(identifier.problem);
  return {
    endpoint,
    requestId,
    // The casts are safe: every part that is used was read above.
    payload: rawPayload as PaymentPayload,
    requirements: rawRequirements as PaymentRequirements,
    exact: exact?.value,
    identifier: identifier.value,
  };
}

/** What a line of the log says about the payment of a request. */
export function paymentFields({ exact, payload, requirements }: Call): Readonly<Record<string, unknown>> {
  if (exact === undefined) {
    const { payTo: payee, amount, asset } = requirements;
    return { payer: payerOf(payload), payee: addressIn(payee), amount: digitsIn(amount), asset: addressIn(asset) };
  }
  const { from: payer, to: payee, value: amount, nonce } = exact.authorization;
  return { payer, payee, amount, asset: exact.required.asset, nonce };
}

/** An address for the log. The requirements are not parsed then, so they may hold anything, as much as a body may. */
function addressIn(value: unknown): string | undefined {
  return typeof value === "string" && /^0x[0-9a-fA-F]{40}$/.test(value) ? value : undefined;
}

function digitsIn(value: unknown): string | undefined {
  return typeof value === "string" && /^[0-9]{1,78}$/.test(value) ? value : undefined;
}

/** A well-formed negative answer. */
export function failure(endpoint: Endpoint, { reason, message, network = "", payer }: Omit<Refusal, "status">) {
  if (endpoint === "accepts") return { error: message };
  const named = payer === undefined ? {} : { payer };
  return endpoint === "verify"
    ? { isValid: false, invalidReason: reason, invalidMessage: message, ...named }
    : { success: false, errorReason: reason, errorMessage: message, transaction: "", network, ...named };
}

/** An endpoint's reason for a failure that is not the payment's fault. */
export function unexpected(endpoint: Endpoint): string {
  return endpoint === "settle" ? REASON.settleError : REASON.verifyError;
}
