import type { SettleResponse } from "@x402/core/types";
import { keccak256 } from "viem";
import { readChannelState } from "../../chain/facts/channels.ts";
import { refundCall } from "../../channels/calls.ts";
import { channelIdOf, claimBatchTypedData, refundTypedData } from "../../channels/index.ts";
import { secondsNow } from "../../clock.ts";
import { NOBODY } from "../callers/caller.ts";
import { type Asked, channelEvents, failed, stateAfter, stateExtra, succeeded, undone } from "./answers.ts";
import { authorityFor, findOvercharged } from "./authority.ts";
import type { ChannelSettlePort, Submitting } from "./port.ts";
import { CHANNEL_REASON } from "./reasons.ts";
import { awaitCall, type CallOutcome, findCall, submitCall, withTicket } from "./submit.ts";
import type { RefundPayload } from "./wire.ts";

const REASONS = { simulation: CHANNEL_REASON.refundSimulation, failed: CHANNEL_REASON.refundFailed };
/** How long a refund may wait to be sent, in seconds. */
const PATIENCE_SECONDS = 600n;

/**
 * Claims what a channel owes, and gives the rest, or the part that was asked for, back to the payer. Repeating a refund gives the
 * same call, so a server that missed the answer may ask again.
 */
export async function settleRefund(
  port: ChannelSettlePort,
  payload: RefundPayload,
  asked: Asked,
  options: Submitting,
): Promise<SettleResponse> {
  const { client } = port;
  const { caller = NOBODY } = options;
  const { channelConfig, voucher, amount, refundNonce, claims } = payload;
  const chainId = client.chain.id;
  const channelId = channelIdOf(chainId, channelConfig);
  if (channelId !== voucher.channelId) {
    return failed(asked, "invalid_batch_settlement_evm_channel_id_mismatch", "the voucher is for another channel");
  }

  let refundSignature = payload.refundAuthorizerSignature;
  if (refundSignature === undefined) {
    const authority = authorityFor(port, [channelConfig], caller);
    if ("reason" in authority) return failed(asked, authority.reason, authority.message);
    refundSignature = await authority.signTypedData(refundTypedData(chainId, channelId, refundNonce, amount));
  }
  let claimSignature = payload.claimAuthorizerSignature;
  if (claims.length > 0 && claimSignature === undefined) {
    const channels = claims.map((row) => row.voucher.channel);
    const authority = authorityFor(port, channels, caller);
    if ("reason" in authority) return failed(asked, authority.reason, authority.message);
    const [overcharged] = await findOvercharged(port.journal, chainId, claims);
    if (overcharged !== undefined) {
      return failed(asked, CHANNEL_REASON.claimSimulation, `row ${overcharged.index}: ${overcharged.reason}`);
    }
    claimSignature = await authority.signTypedData(claimBatchTypedData(chainId, claims));
  }

  const call = refundCall({ ...payload, channelId }, { refund: refundSignature, claim: claimSignature });
  const { key, row: known } = await findCall(port, `refund:${keccak256(call.data)}`);
  let value = amount;
  if (known === undefined || known.state === "rejected") {
    const state = await readChannelState(client, channelId);
    const owed = claims.reduce((most, { voucher: { channel }, totalClaimed }) => {
      const isHere = channelIdOf(chainId, channel) === channelId && totalClaimed > most;
      return isHere ? totalClaimed : most;
    }, state.totalClaimed);
    if (amount === 0n || state.balance <= owed) {
      return failed(asked, CHANNEL_REASON.nothingToRefund, "nothing to refund");
    }
    // The amount that goes back, and the amount that is claimed before that.
    const left = state.balance - owed;
    value = (amount < left ? amount : left) + owed - state.totalClaimed;
  }
  const deadlineSeconds = secondsNow(port.clock) + PATIENCE_SECONDS;
  const { admit, source } = options;
  options.seat?.waits();
  const outcome = await (known === undefined
    ? submitCall(port, call, { key, value, deadlineSeconds, source, admit })
    : known.state === "rejected"
      ? withTicket(admit, () => again(known.id))
      : awaitCall(port, known, undefined));
  if (outcome.status !== "done") return undone(asked, outcome, REASONS);

  const refunded = channelEvents(outcome).find(({ eventName, args }) => {
    return eventName === "Refunded" && args.channelId === channelId;
  });
  const paid = refunded?.eventName === "Refunded" ? refunded.args.amount : 0n;
  const state = await stateAfter(port, channelId, outcome.blockNumber);
  return succeeded(asked, outcome.transaction, paid.toString(), stateExtra(channelId, state));

  async function again(id: number): Promise<CallOutcome> {
    await port.engine.retry(id);
    const row = await port.journal.payment(id);
    return row === undefined ? { status: "unsent", message: "it is not there" } : awaitCall(port, row, undefined);
  }
}
