import type { Address, Hex } from "viem";
import type { ChannelConfig } from "../../channels/types.ts";

/**
 * What a server keeps of a channel: its newest voucher, and the chain as it last knew it. Shaped like the official server
 * package's `Channel`, so its amounts are decimal strings in atomic units. Times are in milliseconds of Unix time, but for the withdrawal's.
 */
export type ChannelRecord = {
  channelId: string;
  channelConfig: ChannelConfig;
  /** What was charged in all. */
  chargedCumulativeAmount: string;
  /** What the newest voucher allows in all. */
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

/** The payer's announcement, as the chain has it. Times in Unix seconds. */
export type ChannelWithdrawal = {
  readonly amount: bigint;
  readonly initiatedAt: number;
  /** From when on the payer can take it. */
  readonly finalizeAfter: number;
};

/** Why the newest voucher of a channel cannot be claimed, in full or at all. */
export type ChannelFault = {
  readonly reason: string;
  /** What was charged when it was found out: a later voucher is tried anew. */
  readonly charged: bigint;
  readonly atMs: number;
  /** Gas that claims of the channel took and that failed, since one went through: its part of each. */
  readonly gas?: bigint | undefined;
};

/** The day (its number since 1970, in UTC) of a channel's last charges, and what had been charged in all when it began. */
export type ChannelEarning = { readonly day: number; readonly base: bigint };

/** A channel in the journal. Never more than its newest voucher is kept. */
export type ChannelRow = {
  /** In lower case. */
  readonly channelId: Hex;
  readonly chainId: number;
  readonly record: ChannelRecord;
  /** What had been claimed in all when the chain was last asked, in atomic units. */
  readonly claimed: bigint;
  readonly withdrawal: ChannelWithdrawal | undefined;
  readonly fault: ChannelFault | undefined;
  /** The server gave the record up although not all of it was claimed: it is kept until that is. */
  readonly isDeleted: boolean;
  /** Since when there is something to claim; undefined where there is nothing. */
  readonly unclaimedSinceMs: number | undefined;
  /** Kept by the journal, for earnings by day. */
  readonly earning?: ChannelEarning | undefined;
  /** Another one after each change. */
  readonly version: number;
};

/** A change of one channel, made only where its row is still as it was read. */
export type ChannelChange = {
  /** The row as it was read; undefined where there was none. */
  readonly before: ChannelRow | undefined;
  /** The row as it shall be (its version is given out anew); undefined to remove it. */
  readonly after: Omit<ChannelRow, "version" | "unclaimedSinceMs" | "earning"> | undefined;
};

/** Somebody who is paid through channels in a token. Amounts in atomic units, as the chain had them when last asked. */
export type ChannelReceiver = {
  readonly chainId: number;
  readonly receiver: Address;
  readonly token: Address;
  /** Claimed and not swept to the receiver yet. */
  readonly unswept: bigint;
  readonly unsweptSinceMs: number | undefined;
};

/** The part of the journal that holds channels. Every method is one atomic, durable transaction. */
export type ChannelJournal = {
  readonly channels: (channelIds: readonly Hex[]) => Promise<ReadonlyMap<Hex, ChannelRow>>;
  /** Channels by ascending id, `afterId` excluded. */
  readonly listChannels: (query: {
    readonly chainId: number;
    readonly only?: "unclaimed" | "withdrawing";
    readonly afterId?: Hex;
    readonly limit: number;
  }) => Promise<readonly ChannelRow[]>;
  /**
   * Makes those changes whose channel is as it was read, at most one for each channel, and says which of them took place
   * (by channel id). The receiver of a channel is noted with it, and outlives it, and so does what was charged on each day.
   */
  readonly changeChannels: (changes: readonly ChannelChange[], nowMs: number) => Promise<ReadonlySet<Hex>>;
  readonly channelReceivers: (chainId: number) => Promise<readonly ChannelReceiver[]>;
  readonly noteChannelReceivers: (receivers: readonly ChannelReceiver[]) => Promise<void>;
  /** How many channels there are that their server has not given up. It reads the whole table. */
  readonly countChannels: (chainId: number) => Promise<number>;
};
