import type { Network, SettleResponse } from "@x402/core/types";
import { type Address, type Hex, parseEventLogs } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import { readChannelState } from "../../chain/facts/channels.ts";
import { batchSettlementAbi as abi } from "../../channels/abi.ts";
import { BATCH_SETTLEMENT_ADDRESS, type ChannelState } from "../../channels/index.ts";
import type { Clock } from "../../clock.ts";
import { REASON } from "../wire/reasons.ts";
import type { CallOutcome } from "./submit.ts";

/** How long a node may take to know the block of a receipt that it just returned, and how often it is asked. */
const LAG_MS = 2_000;
const LAG_POLL_MS = 150;

/** The events of the channel contract in a transaction. */
export function channelEvents({ logs }: CallOutcome & { status: "done" }) {
  const own = logs.filter(({ address }) => address.toLowerCase() === BATCH_SETTLEMENT_ADDRESS.toLowerCase());
  return parseEventLogs({ abi, logs: [...own] });
}

/**
 * The state of a channel at the end of a block. A node that does not know the block yet is asked again for a while; after that,
 * the current state is used.
 */
export async function stateAfter(
  { client, clock }: { readonly client: ChainClient; readonly clock: Clock },
  channelId: Hex,
  blockNumber: bigint,
): Promise<ChannelState> {
  const until = clock.now() + LAG_MS;
  for (;;) {
    const state = await readChannelState(client, channelId, blockNumber).catch(() => undefined);
    if (state !== undefined) return state;
    if (clock.now() >= until) return readChannelState(client, channelId);
    await clock.sleep(LAG_POLL_MS);
  }
}

/** A channel's state in the form of answers. */
export function stateExtra(channelId: Hex, state: ChannelState) {
  return {
    channelState: {
      channelId,
      balance: state.balance.toString(),
      totalClaimed: state.totalClaimed.toString(),
      withdrawRequestedAt: state.withdrawRequestedAt,
      refundNonce: state.refundNonce.toString(),
    },
  };
}

/** What an answer repeats from its request. */
export type Asked = { readonly network: Network; readonly payer?: Address | undefined };

export function succeeded(
  { network, payer }: Asked,
  transaction: Hex | "",
  amount: string,
  extra?: Record<string, unknown>,
): SettleResponse {
  return {
    success: true,
    transaction,
    network,
    amount,
    ...(payer === undefined ? {} : { payer }),
    ...(extra === undefined ? {} : { extra }),
  };
}

export function failed(
  { network, payer }: Asked,
  reason: string,
  message: string,
  more: { readonly transaction?: Hex | undefined; readonly extra?: Record<string, unknown> } = {},
): SettleResponse {
  return {
    success: false,
    errorReason: reason,
    errorMessage: message,
    transaction: more.transaction ?? "",
    network,
    ...(payer === undefined ? {} : { payer }),
    ...(more.extra === undefined ? {} : { extra: more.extra }),
  };
}

/** The answer about a call that failed, or whose outcome is not known. */
export function undone(
  asked: Asked,
  outcome: Exclude<CallOutcome, { status: "done" }>,
  reasons: { readonly simulation: string; readonly failed: string },
): SettleResponse {
  switch (outcome.status) {
    case "faulty":
      return failed(asked, outcome.fault.reason, outcome.fault.message);
    case "pending":
      if (outcome.transaction === undefined) return failed(asked, reasons.failed, "its outcome is not known yet");
      return failed(asked, REASON.pending, "sent, and not mined yet; it may still go through", outcome);
    case "unsent":
      return failed(asked, reasons.failed, outcome.message);
    case "refused":
      return failed(
        asked,
        outcome.transaction === undefined ? reasons.simulation : reasons.failed,
        outcome.message,
        outcome,
      );
  }
}
