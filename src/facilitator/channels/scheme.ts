import type { PaymentPayload, SchemeNetworkFacilitator } from "@x402/core/types";
import { type Admission, createAdmission } from "../admission/admission.ts";
import type { FacilitatorPolicy } from "../admission/policy.ts";
import { NOBODY } from "../callers/caller.ts";
import { askOfVerify } from "./ask.ts";
import type { ChannelPort, ChannelSettleOptions } from "./port.ts";
import { createChannelSettler } from "./settle.ts";
import { verifyChannelPayment } from "./verify.ts";
import { readForVerify } from "./wire.ts";

export type ChannelSchemePort = Omit<ChannelPort, "admission" | "policy"> & {
  readonly policy: FacilitatorPolicy;
  /** The admission, if it is shared with other schemes. */
  readonly admission?: Admission;
  /** What is known about the request that a payload came with: its caller, its signal and its id. */
  readonly contextOf?: (payment: PaymentPayload) => ChannelSettleOptions | undefined;
};

/**
 * The scheme `batch-settlement` on EVM. @x402/evm verifies, and deposits, claims, sweeps and refunds that are asked for at the
 * same time share transactions. Register it in an `x402Facilitator` in the place of the official one.
 */
export function createChannelScheme(options: ChannelSchemePort): SchemeNetworkFacilitator {
  const { journal, clock, policy, client } = options;
  const admission = options.admission ?? createAdmission({ journal, clock, client, policy, batches: true });
  const port = { ...options, admission };
  const settle = createChannelSettler(port);
  return {
    scheme: "batch-settlement",
    caipFamily: "eip155:*",
    // Servers may name this key as their channels' receiver authorizer. Without it, they sign for themselves.
    getExtra: () => (port.authority === undefined ? undefined : { receiverAuthorizer: port.authority.address }),
    getSigners: () => [...port.addresses()],
    verify: async (payment, requirements) => {
      const read = readForVerify(payment, requirements);
      if (!read.ok) return { isValid: false, invalidReason: read.reason, invalidMessage: read.problem };
      const { payload, required } = read;
      const { caller = NOBODY } = port.contextOf?.(payment) ?? {};
      const verdict = await verifyChannelPayment(port, payload, required, requirements.extra, caller);
      if (verdict.isValid && payload.type === "deposit") {
        await admission.checkBudgets(askOfVerify(payload, required), caller);
      }
      return verdict;
    },
    settle: (payment, requirements) => settle(payment, requirements, port.contextOf?.(payment) ?? {}),
  };
}
