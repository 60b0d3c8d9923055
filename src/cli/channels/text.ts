import { InvalidArgumentError } from "commander";
import type { Hex } from "viem";
import type { ChannelRow } from "../../journal/index.ts";
import { chargedOf, unclaimedOf } from "../../keeper/channels/rows.ts";
import type { KeeperActivity } from "../../keeper/index.ts";
import { formatAmount, formatEtherBriefly } from "../../money.ts";
import { time } from "../output/paymentText.ts";

/** Reads a channel's id. */
export function channelId(text: string): Hex {
  if (/^0x[0-9a-fA-F]{64}$/.test(text)) return text.toLowerCase() as Hex;
  throw new InvalidArgumentError("Write a channel's id: 0x and 64 hex digits.");
}

/** Like {@link channelId}, for an argument that may be repeated. */
export function channelIds(text: string, earlier: readonly Hex[] | undefined): readonly Hex[] {
  return [...(earlier ?? []), channelId(text)];
}

/** What a keeper's call did, line by line: the sum first, then each channel. */
export function describeActivity(activity: KeeperActivity): string[] {
  const { kind, payee, amount, channels, transaction, feeWei } = activity;
  const verb = { claimed: "claimed for", swept: "swept to", refunded: "given back to payers of" }[kind];
  return [
    `${formatAmount(amount, 6)} ${verb} ${payee} in ${transaction}, for ${formatEtherBriefly(feeWei, "up")} ETH`,
    ...channels.map((one) => `  ${formatAmount(one.amount, 6)} of channel ${one.channelId}, payer ${one.payer}`),
  ];
}

/** The state of a channel, in a word or two. */
export function stateOf({ withdrawal, fault, isDeleted, record }: ChannelRow, nowMs: number): string {
  if (withdrawal !== undefined) return "withdrawing";
  if (fault !== undefined) return "bad voucher";
  if (record.pendingRequest !== undefined && record.pendingRequest.expiresAt > nowMs) return "busy";
  return isDeleted ? "closed" : "open";
}

/** A channel as JSON, without the voucher's signature: `export` writes that. */
export function channelJson(row: ChannelRow, nowMs: number) {
  const { record, claimed, withdrawal, fault, unclaimedSinceMs } = row;
  const { payer, payerAuthorizer, receiver, receiverAuthorizer, token, withdrawDelay, salt } = record.channelConfig;
  return {
    channelId: row.channelId,
    chainId: row.chainId,
    state: stateOf(row, nowMs),
    payer,
    payerAuthorizer,
    receiver,
    receiverAuthorizer,
    token,
    withdrawDelaySeconds: withdrawDelay,
    salt,
    balance: record.balance,
    charged: chargedOf(row),
    claimed,
    unclaimed: unclaimedOf(row),
    unclaimedSince: unclaimedSinceMs === undefined ? null : time(unclaimedSinceMs),
    lastRequest: time(record.lastRequestTimestamp),
    withdrawal:
      withdrawal === undefined
        ? null
        : {
            amount: withdrawal.amount,
            initiatedAt: time(withdrawal.initiatedAt * 1000),
            finalizeAfter: time(withdrawal.finalizeAfter * 1000),
          },
    fault: fault === undefined ? null : { reason: fault.reason, at: time(fault.atMs) },
  };
}
