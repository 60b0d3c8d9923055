import type { Address, Hex } from "viem";
import type { ChannelConfig } from "../../channels/types.ts";

/**
 * What a server keeps about a channel: its newest voucher, and the chain's state as the server last knew it. It has the
 * shape of the official server package's `Channel`, so amounts are decimal strings in atomic units. Times are in Unix
 * milliseconds, except for the withdrawal's.
 */
export type ChannelRecord = {
  channelId: string;
  channelConfig: ChannelConfig;
  /** The total that was charged. */
  chargedCumulativeAmount: string;
  /** The total that the newest voucher allows. */
  signedMaxClaimable: string;
  signature: string;
  balance: string;
  totalClaimed: string;
  /** Unix seconds, as the contract has it; 0 if no withdrawal is under way. */
  withdrawRequestedAt: number;
  refundNonce: number;
  onchainSyncedAt?: number;
  lastRequestTimestamp: number;
  /** The request that is being served. */
  pendingRequest?: { pendingId: string; signedMaxClaimable: string; expiresAt: number };
};

/** The payer's announcement of a withdrawal, as the chain has it. Times in Unix seconds. */
export type ChannelWithdrawal = {
  readonly amount: bigint;
  readonly initiatedAt: number;
  /** When the payer can take it. */
  readonly finalizeAfter: number;
};

/** Why the newest voucher of a channel cannot be claimed, in full or at all. */
export type ChannelFault = {
  readonly reason: string;
  /** The total charged when the fault was found. A later voucher is tried again. */
  readonly charged: bigint;
  readonly atMs: number;
  /** The channel's share of the gas of claims that failed since one last succeeded. */
  readonly gas?: bigint | undefined;
};

/** The day of a channel's last charges (its number since 1970, in UTC), and the total charged when that day began. */
export type ChannelEarning = { readonly day: number; readonly base: bigint };

/** A channel in the journal. Only its newest voucher is kept. */
export type ChannelRow = {
  /** In lower case. */
  readonly channelId: Hex;
  readonly chainId: number;
  readonly record: ChannelRecord;
  /** The total claimed when the chain was last asked, in atomic units. */
  readonly claimed: bigint;
  readonly withdrawal: ChannelWithdrawal | undefined;
  readonly fault: ChannelFault | undefined;
  /** Whether the server gave the record up before all of it was claimed. It is kept until then. */
  readonly isDeleted: boolean;
  /** Since when there is something to claim; undefined if there is nothing. */
  readonly unclaimedSinceMs: number | undefined;
  /** Kept by the journal, for earnings by day. */
  readonly earning: ChannelEarning;
  /** A new value after each change. */
  readonly version: number;
};

/** A change of one channel. It is made only if the row is still as it was read. */
export type ChannelChange = {
  /** The row as it was read; undefined if there was none. */
  readonly before: ChannelRow | undefined;
  /** The new row (it gets a new version); undefined to remove it. */
  readonly after: Omit<ChannelRow, "version" | "unclaimedSinceMs" | "earning"> | undefined;
};

/** Somebody who is paid through channels in a token. Amounts in atomic units, as the chain had them when last asked. */
export type ChannelReceiver = {
  readonly chainId: number;
  readonly receiver: Address;
  readonly token: Address;
  /** Claimed, but not swept to the receiver yet. */
  readonly unswept: bigint;
  readonly unsweptSinceMs: number | undefined;
};

/** The part of the journal that holds channels. Every method is one atomic, durable transaction. */
export type ChannelJournal = {
  /** Those of these channels that the journal has, by id. Ids are in lower case. */
  readonly channels: (channelIds: readonly Hex[]) => Promise<ReadonlyMap<Hex, ChannelRow>>;
  /** Channels by ascending id, `afterId` excluded. */
  readonly listChannels: (query: {
    readonly chainId: number;
    readonly only?: "unclaimed" | "withdrawing";
    readonly afterId?: Hex;
    readonly limit: number;
  }) => Promise<readonly ChannelRow[]>;
  /**
   * Makes those changes whose channel is still as it was read, and returns the ids of the channels that changed. At
   * most one change per channel. A channel's receiver is noted with it. The receiver and the charges of each day
   * outlive the channel.
   */
  readonly changeChannels: (changes: readonly ChannelChange[], nowMs: number) => Promise<ReadonlySet<Hex>>;
  /** Everybody who is paid through channels of this chain, with what was unswept when the chain was last asked. */
  readonly channelReceivers: (chainId: number) => Promise<readonly ChannelReceiver[]>;
  /** Notes what the chain said about receivers, in place of what was known. */
  readonly noteChannelReceivers: (receivers: readonly ChannelReceiver[]) => Promise<void>;
  /** How many channels their server has not given up. It reads the whole table. */
  readonly countChannels: (chainId: number) => Promise<number>;
};
