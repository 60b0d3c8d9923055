import { encodeFunctionData, type Hex } from "viem";
import { readChannelState } from "../../chain/facts/channels.ts";
import { hasCode } from "../../chain/facts/facts.ts";
import { batchSettlementAbi as abi } from "../../channels/abi.ts";
import { isSelfSigned, refundCall, transactionGasOf } from "../../channels/calls.ts";
import { CLAIM_GAS, CLAIM_ROW_GAS, REFUND_GAS } from "../../channels/gas.ts";
import { claimBatchTypedData, refundTypedData } from "../../channels/index.ts";
import { walletGas } from "../../gas/budget.ts";
import type { ChannelRow, KeeperCall } from "../../journal/index.ts";
import { ChannelError } from "../channels/errors.ts";
import { isBusy, requestOf, reservedUntil, stripped } from "../channels/reservation.ts";
import { changeRows, chargedOf } from "../channels/rows.ts";
import type { WatchPort } from "../channels/watch.ts";
import type { Authority } from "./authority.ts";
import type { CallRunner } from "./calls.ts";
import { type ComposePort, claimOf, configOf, keeperCall } from "./compose.ts";

/** A refund that was mined. */
export type RefundResult = {
  readonly channelId: Hex;
  /** What went back to the payer, in atomic units. */
  readonly amount: bigint;
  /** The channel's total claimed, in atomic units. */
  readonly claimed: bigint;
  readonly transaction: Hex;
};

/** How long the channel stays closed to requests after the refund's deadline, if this process dies. */
const RESERVED_LONGER_MS = 60_000;

/**
 * Claims what is earned, then gives the payer back what is neither claimed nor earned, in one transaction. Meanwhile
 * the channel takes no request.
 * @param amount Atomic units; undefined for all that is left.
 * @throws ChannelError if nothing is left, `amount` is more than is left, a request is in progress, or the refund did
 * not settle; ChainUnavailableError if the node does not answer.
 */
export async function refundChannel(
  port: ComposePort & WatchPort & { readonly runner: CallRunner },
  authority: Authority,
  row: ChannelRow,
  amount?: bigint,
): Promise<RefundResult> {
  const { journal, clock, runner, client } = port;
  const { channelId } = row;
  const { reserved, pendingId } = await reserve(port, row);
  try {
    const state = await readChannelState(client, channelId);
    const claim = claimOf(reserved, state);
    const owed = chargedOf(reserved) > state.totalClaimed ? chargedOf(reserved) : state.totalClaimed;
    const left = state.balance > owed ? state.balance - owed : 0n;
    if (left === 0n || (amount !== undefined && amount > left)) {
      throw new ChannelError(`Channel ${channelId} has ${left} atomic units to give back.`, {
        hint: left === 0n ? "All it holds is earned: claim it." : `Ask for at most ${left}.`,
      });
    }
    const wanted = amount ?? left;
    const call = await composeRefund(port, authority, reserved, { claim, amount: wanted, nonce: state.refundNonce });
    const { row: payment } = await runner.run(call);
    if (payment?.state !== "settled" || payment.evidence.kind !== "receipt") {
      throw new ChannelError(`The refund of channel ${channelId} is ${payment?.state ?? "undecided"}.`, {
        hint: "Look at the channel again before you ask again.",
      });
    }
    await release(port, channelId, pendingId, {
      balance: (state.balance - wanted).toString(),
      totalClaimed: (claim?.totalClaimed ?? state.totalClaimed).toString(),
      refundNonce: Number(state.refundNonce) + 1,
    });
    const { transactionHash: transaction } = payment.evidence;
    return { channelId, amount: wanted, claimed: claim?.totalClaimed ?? state.totalClaimed, transaction };
  } catch (error) {
    await release(port, channelId, pendingId, {});
    throw error;
  }

  /** Takes the channel for this refund, until {@link release} or for a limited time. */
  async function reserve({ deadlineSeconds }: ComposePort, { record }: ChannelRow) {
    const nowMs = clock.now();
    const expiresAt = Number(deadlineSeconds) * 1000 + RESERVED_LONGER_MS;
    let taken: string | undefined;
    await changeRows(journal, [channelId], nowMs, (now) => {
      taken = undefined;
      if (isBusy(now.record, nowMs)) return now;
      const { record: next, pendingId: id } = reservedUntil(now.record, expiresAt);
      taken = id;
      return { ...now, record: next };
    });
    const now = (await journal.channels([channelId])).get(channelId);
    if (taken !== undefined && now !== undefined && requestOf(now.record) === taken) {
      return { reserved: now, pendingId: taken };
    }
    throw new ChannelError(`Channel ${record.channelId} is busy with a request.`, { hint: "Ask again in a moment." });
  }
}

async function release(
  { journal, clock }: WatchPort,
  channelId: Hex,
  pendingId: string,
  change: Partial<ChannelRow["record"]>,
): Promise<void> {
  await changeRows(journal, [channelId], clock.now(), (row) => {
    const isOurs = requestOf(row.record) === pendingId;
    return isOurs ? { ...row, record: { ...stripped(row.record), ...change } } : row;
  });
}

async function composeRefund(
  port: ComposePort,
  authority: Authority,
  row: ChannelRow,
  { claim, amount, nonce }: { claim: ReturnType<typeof claimOf>; amount: bigint; nonce: bigint },
): Promise<KeeperCall> {
  const { channelId } = row;
  const { chain } = port.client;
  const config = configOf(row);
  const rows = claim === undefined ? [] : [claim];
  const claims = rows.map(({ totalClaimed }) => ({ channelId, totalClaimed }));
  const isWallet = isSelfSigned(config) && claim !== undefined && (await hasCode(port.client, config.payer));
  const callWith = (call: Parameters<typeof keeperCall>[1]): KeeperCall =>
    keeperCall(port, call, { claims, sweeps: [], refunds: [channelId] });
  if (authority.kind === "sender") {
    const parts = [
      ...(claim === undefined ? [] : [encodeFunctionData({ abi, functionName: "claim", args: [rows] })]),
      encodeFunctionData({ abi, functionName: "refund", args: [config, amount] }),
    ];
    const data = encodeFunctionData({ abi, functionName: "multicall", args: [parts] });
    const gas = transactionGasOf({ data, gas: REFUND_GAS + CLAIM_GAS + CLAIM_ROW_GAS });
    return callWith({ data, gas: gas + walletGas(isWallet ? 1 : 0, port.signerGas), proof: undefined });
  }
  const { key } = authority;
  const refund = await key.signTypedData(refundTypedData(chain.id, channelId, nonce, amount));
  const signed = claim === undefined ? undefined : await key.signTypedData(claimBatchTypedData(chain.id, rows));
  const terms = { channelConfig: config, channelId, amount, refundNonce: nonce, claims: rows };
  const call = refundCall(terms, { refund, claim: signed });
  const checks = (isWallet ? 1 : 0) + ((await hasCode(port.client, key.address)) ? 1 + rows.length : 0);
  if (checks === 0) return callWith(call);
  // The result depends on code that is not the contract's: it goes alone (without a proof), and its checks get limited
  // gas.
  const gas = transactionGasOf(call) + walletGas(checks, port.signerGas);
  return callWith({ data: call.data, gas, proof: undefined });
}
