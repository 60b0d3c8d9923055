import type { Address, Hex } from "viem";

/** The two sides of a channel, and its token. */
export type ChannelParties = { readonly payer: Address; readonly receiver: Address; readonly token: Address };

/** What a channel was charged on a day that has ended, in atomic units. */
export type ChannelDay = ChannelParties & {
  readonly id: number;
  readonly chainId: number;
  readonly channelId: Hex;
  /** Its number since 1970, in UTC. */
  readonly day: number;
  readonly amount: bigint;
};

/**
 * Something that the channel contract did with a merchant's money, according to its log:
 * - `claim`: what a channel owed became the receiver's;
 * - `sweep`: what was claimed was sent to the receiver;
 * - `refund`, `withdrawal`: the payer got back what was not claimed.
 */
export type ChannelEvent = {
  readonly chainId: number;
  readonly kind: "claim" | "sweep" | "refund" | "withdrawal";
  /** Neither is known for a sweep, which takes the money of all channels of a receiver. */
  readonly channelId: Hex | undefined;
  readonly payer: Address | undefined;
  readonly receiver: Address;
  readonly token: Address;
  /** Atomic units. For a claim, what it added. */
  readonly amount: bigint;
  readonly transactionHash: Hex;
  readonly logIndex: number;
  readonly blockNumber: bigint;
  /** The time of its block, in Unix seconds. */
  readonly timestampSeconds: number;
};

/** The part of the journal that earnings by day are added up from. */
export type LedgerJournal = {
  /** The parties of these channels, as far as the journal knows them. Channels that the server gave up are included. */
  readonly channelParties: (channelIds: readonly Hex[]) => Promise<ReadonlyMap<Hex, ChannelParties>>;
  /** Days that have ended, oldest entry first. Days that have not are in their channels' rows. */
  readonly channelDays: (query: {
    readonly chainId: number;
    readonly afterId: number;
    readonly limit: number;
  }) => Promise<readonly ChannelDay[]>;
  /** Events by ascending id, which is not always the order of their blocks. */
  readonly channelEvents: (query: {
    readonly chainId: number;
    readonly afterId: number;
    readonly limit: number;
  }) => Promise<readonly (ChannelEvent & { readonly id: number })[]>;
  /** The events of these transactions. */
  readonly channelEventsIn: (chainId: number, transactionHashes: readonly Hex[]) => Promise<readonly ChannelEvent[]>;
  /**
   * Notes events, each log once. With `instead`, events in that block range are forgotten if their log is not among
   * `logs`, which the chain has there now: a reorganisation replaced them.
   */
  readonly noteChannelEvents: (
    events: readonly ChannelEvent[],
    instead?: {
      readonly chainId: number;
      readonly from: bigint;
      readonly to: bigint;
      readonly logs: readonly Pick<ChannelEvent, "transactionHash" | "logIndex">[];
    },
  ) => Promise<void>;
};
