import type { PaymentPayload, PaymentRequirements, VerifyResponse } from "@x402/core/types";
import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/facilitator";
import type { Address } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import type { Admission } from "../admission/admission.ts";
import { type Caller, NOBODY } from "../callers/caller.ts";
import { createVerificationReads } from "../node/reads.ts";
import { REASON } from "../wire/reasons.ts";
import { askOfVerify } from "./ask.ts";
import { type AuthorityPort, unsignable } from "./authority.ts";
import type { ChannelRequirements, VerifyPayload } from "./wire.ts";

export type ChannelVerifyPort = AuthorityPort & {
  readonly client: ChainClient;
  readonly addresses: () => readonly Address[];
  readonly admission: Admission;
};

/**
 * Verifies a payer's payload as the official package does, after the operator's own rules.
 * @throws ChainUnavailableError if the node did not answer. Then nothing is known about the payment.
 */
export async function verifyChannelPayment(
  port: ChannelVerifyPort,
  payload: VerifyPayload,
  required: ChannelRequirements,
  extra: PaymentRequirements["extra"],
  caller: Caller = NOBODY,
): Promise<VerifyResponse> {
  const { client, addresses, admission } = port;
  const { payer } = payload.channelConfig;
  const fault =
    (await admission.fault(askOfVerify(payload, required), caller)) ??
    (payload.type === "refund" ? undefined : unsignable(port, payload.channelConfig));
  if (fault !== undefined) {
    return { isValid: false, invalidReason: fault.reason, invalidMessage: fault.message, payer };
  }
  const reads = createVerificationReads(client, { simulate: true, addresses });
  const { payment, requirements } = officialForm(payload, required, extra);
  let answer: VerifyResponse;
  try {
    answer = await new BatchSettlementEvmScheme(reads.signer).verify(payment, requirements);
  } catch (error) {
    const failure = reads.failure();
    if (failure !== undefined) throw failure;
    // Everything else was parsed, so the error comes from `extra`, which only the resource server can fix.
    const invalidMessage = error instanceof Error ? `extra: ${error.name}` : "extra: it cannot be read";
    return { isValid: false, invalidReason: REASON.invalidRequirements, invalidMessage, payer };
  }
  const failure = reads.failure();
  if (failure !== undefined) throw failure;
  return answer;
}

/** The request in the form of the official class. Except for `extra`, it has only what was parsed. */
function officialForm(
  payload: VerifyPayload,
  { network, asset, payTo }: ChannelRequirements,
  extra: PaymentRequirements["extra"],
): { payment: PaymentPayload; requirements: PaymentRequirements } {
  const { type, channelConfig, voucher } = payload;
  const spoken = {
    type,
    channelConfig,
    voucher: { ...voucher, maxClaimableAmount: voucher.maxClaimableAmount.toString() },
  };
  const requirements: PaymentRequirements = {
    scheme: "batch-settlement",
    network: network as PaymentRequirements["network"],
    asset,
    payTo,
    amount: "0",
    maxTimeoutSeconds: 60,
    // Any other way to move the deposit was refused above.
    extra: { ...extra, assetTransferMethod: "eip3009" },
  };
  const payment = { x402Version: 2, accepted: requirements };
  if (payload.type !== "deposit") return { payment: { ...payment, payload: spoken }, requirements };
  const { validAfter, validBefore, salt, signature } = payload.authorization;
  const erc3009Authorization = {
    validAfter: validAfter.toString(),
    validBefore: validBefore.toString(),
    salt: `0x${salt.toString(16).padStart(64, "0")}`,
    signature,
  };
  const deposit = { amount: payload.amount.toString(), authorization: { erc3009Authorization } };
  return { payment: { ...payment, payload: { ...spoken, deposit } }, requirements };
}
