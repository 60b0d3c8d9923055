import type { PaymentPayload, PaymentRequirements, VerifyResponse } from "@x402/core/types";
import { ExactEvmScheme } from "@x402/evm/exact/facilitator";
import { ExactEvmSchemeV1 } from "@x402/evm/exact/v1/facilitator";
import { type Address, type Hex, isAddressEqual, size } from "viem";
import { x402Payload } from "../../authorization/serialise.ts";
import { findSignatureDefect } from "../../authorization/signature.ts";
import type { ChainClient } from "../../chain/client.ts";
import type { SettlementEngine } from "../../settlement/engine/types.ts";
import type { Admission } from "../admission/admission.ts";
import { askOf } from "../admission/payment.ts";
import type { FacilitatorPolicy } from "../admission/policy.ts";
import { isNetworkOf } from "../admission/rules.ts";
import { type Caller, NOBODY } from "../callers/caller.ts";
import { createVerificationReads, REVERTED } from "../node/reads.ts";
import { type ExactRequest, toAuthorization } from "../wire/body.ts";
import { REASON } from "../wire/reasons.ts";
import type { SignatureChecks } from "./checks.ts";
import { no, type Verdict } from "./verdict.ts";

export type VerifyPort = {
  readonly client: ChainClient;
  readonly policy: FacilitatorPolicy;
  readonly addresses: () => readonly Address[];
  readonly admission: Admission;
};

/**
 * Verifies a payment as the official packages do, after the operator's own rules.
 * @param simulate Whether the transfer is simulated as well.
 * @throws ChainUnavailableError if the node did not answer. Then nothing is known about the payment.
 */
export async function verifyExact(
  { client, policy, addresses, admission }: VerifyPort,
  request: ExactRequest,
  { simulate, caller = NOBODY }: { readonly simulate: boolean; readonly caller?: Caller },
): Promise<Verdict> {
  const fault = await admission.fault(askOf(request, client.chain.id), caller);
  if (fault !== undefined) return no(fault.reason, fault.message);
  const config = { eip6492AllowedFactories: [...policy.factories] };
  const { payload, requirements } = officialForm(request);

  async function verify(recovers: Address | undefined): Promise<Verdict> {
    const reads = createVerificationReads(client, { simulate, recovers, addresses });
    const scheme =
      request.version === 1 ? new ExactEvmSchemeV1(reads.signer, config) : new ExactEvmScheme(reads.signer, config);
    let answer: VerifyResponse;
    try {
      answer = await scheme.verify(payload, requirements);
    } catch (error) {
      throw reads.failure() ?? error;
    }
    const failure = reads.failure();
    if (failure !== undefined) throw failure;
    if (reads.isUnrecovered()) return verify(undefined);
    if (answer.isValid) return { isValid: true };
    return { isValid: false, reason: answer.invalidReason ?? REASON.verifyError, message: answer.invalidMessage };
  }
  return verify(isPlain(request.signature) ? request.authorization.from : undefined);
}

/** Whether a signature has the only form that `recoverSigner` and the token take from an account without code. */
function isPlain(signature: Hex): boolean {
  return size(signature) === 65 && findSignatureDefect(signature) === undefined;
}

/**
 * {@link verifyExact} with a simulation, for /verify: whether the payment would settle now, together with the payer's other
 * unsettled payments here.
 */
export async function verifyFunded(
  port: VerifyPort & {
    readonly engine: Pick<SettlementEngine, "covers" | "beyondCaps" | "refusal">;
    readonly checks: SignatureChecks;
  },
  request: ExactRequest,
  caller: Caller = NOBODY,
): Promise<Verdict> {
  const verdict = await verifyExact(port, request, { simulate: true, caller });
  if (!verdict.isValid) return explained(port, request, verdict);
  port.checks.note(request);
  await port.admission.checkBudgets(askOf(request, port.client.chain.id), caller);
  const payment = toAuthorization(request, port.client.chain.id);
  const beyond = port.engine.beyondCaps(payment, port.admission.openCapOf(caller));
  if (beyond !== undefined) return no(REASON.invalidState, beyond);
  if (await port.engine.covers(payment)) return verdict;
  return explained(port, request, no(REASON.insufficientBalance, undefined));
}

/** Gives a refusal by simulation the message of /settle, if it has none or only says that the call reverted. */
export async function explained(
  port: Pick<VerifyPort, "client"> & { readonly engine: Pick<SettlementEngine, "refusal"> },
  request: ExactRequest,
  verdict: Verdict & { isValid: false },
): Promise<Verdict & { isValid: false }> {
  const { reason, message } = verdict;
  if (message !== REVERTED && (message !== undefined || !Object.hasOwn(PLAIN_WORDS, reason))) return verdict;
  const submission = {
    authorization: toAuthorization(request, port.client.chain.id),
    recoveredUnder: request.required.domain,
  };
  // The verdict stands, even if the node has nothing to add.
  const refusal = await port.engine.refusal(submission).catch(() => undefined);
  const isOfWallet = refusal?.reason === "undeployed-wallet" && reason !== REASON.factoryNotAllowed;
  return no(reason, (isOfWallet ? undefined : refusal?.message) ?? PLAIN_WORDS[reason] ?? message);
}

/** Messages for cases that the engine does not check: a wallet that is not deployed yet, or a node that stopped answering. */
const PLAIN_WORDS: Readonly<Record<string, string>> = {
  [REASON.insufficientBalance]: "the payer's balance does not cover it besides unsettled payments",
  [REASON.nonceUsed]: "its nonce was used or cancelled before it was submitted",
  [REASON.simulationFailed]: "the token refuses the transfer",
};

/**
 * Why a payment that is already in the journal does not pay what is asked for now (network, payee and amount); undefined if it
 * does. Its signature was verified when it was accepted, and its time bounds no longer matter.
 */
export function refuseBinding(request: ExactRequest, chainId: number): (Verdict & { isValid: false }) | undefined {
  const { accepted, required, authorization } = request;
  if (accepted.scheme !== "exact" || required.scheme !== "exact") return no("invalid_exact_evm_scheme", undefined);
  if (accepted.network !== required.network || !isNetworkOf(required.network, chainId)) {
    return no(REASON.networkMismatch, undefined);
  }
  if (!isAddressEqual(authorization.to, required.payTo)) return no(REASON.recipientMismatch, undefined);
  if (authorization.value !== required.amount) return no(REASON.valueMismatch, undefined);
  return undefined;
}

/** The request in the form of the official classes. It has only what was parsed. */
function officialForm({ version, accepted, authorization, signature, required }: ExactRequest): {
  payload: PaymentPayload;
  requirements: PaymentRequirements;
} {
  const requirements = {
    scheme: required.scheme,
    // The packages type a v1 name as CAIP-2 as well.
    network: required.network as PaymentRequirements["network"],
    asset: required.asset,
    payTo: required.payTo,
    amount: required.amount.toString(),
    maxAmountRequired: required.amount.toString(),
    maxTimeoutSeconds: 60,
    extra: { ...required.domain },
  };
  const network = accepted.network as PaymentRequirements["network"];
  const payload = {
    x402Version: version,
    scheme: accepted.scheme,
    network,
    accepted: { ...requirements, scheme: accepted.scheme, network },
    payload: x402Payload({ ...authorization, signature }),
  };
  return { payload, requirements };
}
