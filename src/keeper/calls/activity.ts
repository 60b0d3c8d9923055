import type { Address, Hex } from "viem";
import type { ChannelEvent, KeeperCall, PaymentRow } from "../../journal/index.ts";

/** Something that a keeper's call did, once it is mined. */
export type KeeperActivity = {
  readonly kind: "claimed" | "swept" | "refunded";
  /** Who the money is, or was, for. */
  readonly payee: Address;
  readonly token: Address;
  /** The total, in atomic units. */
  readonly amount: bigint;
  /** The channels, and how much of each. Empty for a sweep, which takes the money of all channels. */
  readonly channels: readonly { readonly channelId: Hex; readonly payer: Address; readonly amount: bigint }[];
  readonly transaction: Hex;
  readonly blockNumber: bigint;
  /** Gas of the whole call, which may have claimed for several payees. If it shared a transaction, its part of that. */
  readonly gasUsed: bigint;
  readonly feeWei: bigint;
};

const KINDS = { claim: "claimed", sweep: "swept", refund: "refunded" } as const;

/** What a call did, by payee, from the events of its transaction. Other calls may have been in the same transaction. */
export function activitiesOf(
  { claims, sweeps, refunds = [] }: KeeperCall,
  { evidence }: PaymentRow,
  events: readonly ChannelEvent[],
): readonly KeeperActivity[] {
  if (evidence.kind !== "receipt") return [];
  const { transactionHash: transaction, blockNumber, gasUsed, feeWei } = evidence;
  const claimed = new Set(claims.map(({ channelId }) => channelId));
  const swept = new Set(sweeps.map(accountName));
  const isOwn = ({ kind, channelId = "0x", ...account }: ChannelEvent): boolean => {
    if (kind === "claim") return claimed.has(channelId);
    return kind === "sweep" ? swept.has(accountName(account)) : kind === "refund" && refunds.includes(channelId);
  };
  const found = new Map<string, KeeperActivity>();
  for (const event of events) {
    if (event.kind === "withdrawal" || event.transactionHash !== transaction || !isOwn(event)) continue;
    const { receiver: payee, token, channelId, payer, amount } = event;
    const kind = KINDS[event.kind];
    const name = `${kind} ${accountName(event)}`;
    const one = found.get(name) ?? {
      kind,
      payee,
      token,
      amount: 0n,
      channels: [],
      transaction,
      blockNumber,
      gasUsed,
      feeWei,
    };
    const channels =
      channelId === undefined || payer === undefined ? one.channels : [...one.channels, { channelId, payer, amount }];
    found.set(name, { ...one, amount: one.amount + amount, channels });
  }
  return [...found.values()];
}

function accountName({ receiver, token }: { readonly receiver: string; readonly token: string }): string {
  return `${receiver} ${token}`.toLowerCase();
}
