import type { PaymentPayload, SchemeNetworkFacilitator } from "@x402/core/types";
import type { ChainClient } from "../../chain/client.ts";
import { type Clock, systemClock } from "../../clock.ts";
import type { Journal } from "../../journal/ports/journal.ts";
import type { SettlementEngine } from "../../settlement/engine/types.ts";
import { createAdmission } from "../admission/admission.ts";
import { type FacilitatorPolicy, resolveFacilitatorPolicy } from "../admission/policy.ts";
import { NOBODY } from "../callers/caller.ts";
import { askOfVerify } from "./ask.ts";
import type { AuthorityPort } from "./authority.ts";
import type { ChannelPort, ChannelSettleOptions } from "./port.ts";
import { createChannelSettler } from "./settle.ts";
import { verifyChannelPayment } from "./verify.ts";
import { readForVerify } from "./wire.ts";

/** What the scheme `batch-settlement` works with. */
export type ChannelSchemeOptions = AuthorityPort & {
  /** The engine that sends the calls. Only its keys pay for gas. */
  readonly engine: SettlementEngine;
  /** The engine's journal. */
  readonly journal: Journal;
  /** Whom and what to serve. By default as in a facilitator of this chain. */
  readonly policy?: Partial<FacilitatorPolicy>;
  readonly clock?: Clock;
  /** Once it aborts, waiting callers are answered at once with what is known. */
  readonly signal?: AbortSignal;
  /** What is known of the request that a payload came with: who asks and waits for it, and its id. */
  readonly contextOf?: ContextOf;
};

type ContextOf = (payment: PaymentPayload) => ChannelSettleOptions | undefined;

/**
 * The scheme `batch-settlement` on EVM. @x402/evm verifies, and deposits, claims, sweeps and refunds that are asked for at the same
 * time share transactions. Register it in an `x402Facilitator` in the place of the official one.
 */
export function createChannelScheme(client: ChainClient, options: ChannelSchemeOptions): SchemeNetworkFacilitator {
  const { engine, journal, clock = systemClock, signal: stopping = new AbortController().signal, ...rest } = options;
  const policy = resolveFacilitatorPolicy(client.chain.id, options.policy);
  const admission = createAdmission({ journal, clock, client, policy, batches: true });
  const addresses = () => engine.accounts().map(({ address }) => address);
  return channelScheme({ ...rest, client, engine, journal, clock, policy, admission, addresses, stopping });
}

/** The same on the parts of a facilitator, which shares its admission with other schemes. */
export function channelScheme(port: ChannelPort & { readonly contextOf?: ContextOf }): SchemeNetworkFacilitator {
  const { admission } = port;
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
