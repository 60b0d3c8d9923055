import type { SettleResponse } from "@x402/core/types";
import { isAddressEqual, keccak256 } from "viem";
import { readChannelState } from "../../chain/channels.ts";
import { refundCall } from "../../channels/calls.ts";
import { channelIdOf, refundTypedData } from "../../channels/index.ts";
import { type Asked, channelEvents, failed, stateAfter, stateExtra, succeeded, undone } from "./answers.ts";
import { claimSigner } from "./claim.ts";
import { CHANNEL_REASON } from "./reasons.ts";
import type { ChannelSettlePort, Submitting } from "./settle.ts";
import { awaitCall, type CallOutcome, findCall, submitCall, withTicket } from "./submit.ts";
import type { RefundPayload } from "./wire.ts";

const REASONS = { simulation: CHANNEL_REASON.refundSimulation, failed: CHANNEL_REASON.refundFailed };
/** How long a refund may wait to be sent, in seconds. */
const PATIENCE_SECONDS = 600n;

/**
 * Claims what a channel owes and gives the rest, or what was asked of it, back to the payer. The same refund again is the
 * same call: a server that did not hear of it may ask again.
 */
export async function settleRefund(
  port: ChannelSettlePort,
  payload: RefundPayload,
  asked: Asked,
  options: Submitting,
): Promise<SettleResponse> {
  const { client, authority } = port;
  const { channelConfig, voucher, amount, refundNonce, claims } = payload;
  const chainId = client.chain.id;
  const channelId = channelIdOf(chainId, channelConfig);
  if (channelId !== voucher.channelId) {
    return failed(asked, "invalid_batch_settlement_evm_channel_id_mismatch", "the voucher is for another channel");
  }

  let refundSignature = payload.refundAuthorizerSignature;
  if (refundSignature === undefined) {
    if (authority === undefined) {
      return failed(asked, CHANNEL_REASON.authorizerMissing, "sign the refund: this facilitator has no key for that");
    }
    if (!isAddressEqual(channelConfig.receiverAuthorizer, authority.address)) {
      return failed(asked, CHANNEL_REASON.authorizerMismatch, "the channel has another receiver authorizer");
    }
    // A refund takes from the receiver: nobody else may ask for it.
    if (options.caller?.merchant?.receivers.some((one) => isAddressEqual(one, channelConfig.receiver)) !== true) {
      const message = "refunds are signed here for merchants who prove to be one (Authorization: Bearer)";
      return failed(asked, CHANNEL_REASON.authorizerMissing, message);
    }
    refundSignature = await authority.signTypedData(refundTypedData(chainId, channelId, refundNonce, amount));
  }
  let claimSignature = payload.claimAuthorizerSignature;
  if (claims.length > 0 && claimSignature === undefined) {
    const signer = claimSigner(port, claims);
    if ("reason" in signer) return failed(asked, signer.reason, signer.message);
    claimSignature = await signer.sign(claims);
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
    // What goes back, and what is claimed before that.
    const left = state.balance - owed;
    value = (amount < left ? amount : left) + owed - state.totalClaimed;
  }
  const deadlineSeconds = BigInt(Math.floor(port.clock.now() / 1000)) + PATIENCE_SECONDS;
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
    const row = await port.store.payment(id);
    return row === undefined ? { status: "unsent", message: "it is not there" } : awaitCall(port, row, undefined);
  }
}
