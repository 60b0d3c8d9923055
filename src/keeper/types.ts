import type { Address, Hex } from "viem";
import type { Clock } from "../clock.ts";
import type { ChannelReceiver, Journal } from "../journal/index.ts";
import type { Logger } from "../logger.ts";
import type { SettlementEngine } from "../settlement/engine/types.ts";
import type { KeeperAlert } from "./alerts.ts";
import type { KeeperActivity } from "./calls/activity.ts";
import type { AuthorizerKey } from "./calls/authority.ts";
import type { BadVoucher } from "./calls/compose.ts";
import type { RefundResult } from "./calls/refund.ts";
import type { KeeperPolicy } from "./due/policy.ts";
import type { KeeperWaiting } from "./due/waiting.ts";
import type { KeeperMetrics } from "./metrics.ts";

/** Everything that a keeper works with. The keeper closes none of it. */
export type KeeperOptions = {
  /** The journal with the servers' channels; see `createChannelStorage`. */
  readonly journal: Journal;
  /** The engine that sends the calls and pays for their gas. It uses the same journal. */
  readonly engine: Pick<SettlementEngine, "acceptCall" | "outcome" | "accounts">;
  /** The keys of receiver authorizers, which sign claims and refunds and send nothing. */
  readonly authorizers: readonly AuthorizerKey[];
  /** Replaces some of {@link DEFAULT_KEEPER_POLICY}. */
  readonly policy?: Partial<KeeperPolicy>;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Told of what a person has to look at, once a minute while it lasts. */
  readonly onAlert?: (alert: KeeperAlert) => void;
  /** Told of each claim, sweep and refund once it is mined, payee by payee. */
  readonly onActivity?: (activity: KeeperActivity) => void;
  /** Told why something is not claimed or swept, when that begins. */
  readonly onWaiting?: (waiting: KeeperWaiting) => void;
  /**
   * The block at which to begin reading the chain, used once in a journal. By default the keeper begins where the last
   * keeper stopped, or at the newest block if there was none.
   */
  readonly firstBlock?: bigint | undefined;
  /** Told what happens; see `createKeeperMetrics`. */
  readonly metrics?: KeeperMetrics | undefined;
  /** Whether the keeper makes its rounds and serves requests by itself until it is closed. Default true. */
  readonly isWatching?: boolean;
};

/** The outcome of a claim that was asked for. */
export type ClaimReport = {
  /** Channels that were claimed. `totalClaimed` is what has been claimed in all, in atomic units. */
  readonly claimed: readonly { readonly channelId: Hex; readonly totalClaimed: bigint; readonly transaction: Hex }[];
  /** Vouchers that cannot be claimed, and why. */
  readonly bad: readonly BadVoucher[];
  /** Channels that no key here may claim. */
  readonly withoutKey: readonly Hex[];
  /** Channels in calls that failed or are not decided. */
  readonly failed: readonly Hex[];
};

/** The outcome of a sweep that was asked for. */
export type SweepReport = {
  /** What was sent to each receiver, in atomic units. */
  readonly swept: readonly (Pick<ChannelReceiver, "receiver" | "token"> & {
    readonly amount: bigint;
    readonly transaction: Hex;
  })[];
  /** Sweeps that failed or are not decided. */
  readonly failed: readonly Pick<ChannelReceiver, "receiver" | "token">[];
};

/** Where a keeper stands. Amounts are in atomic units. */
export type KeeperStatus = {
  /** The engine's keys. `paused` says why a key sends nothing; undefined if it sends. */
  readonly senders: readonly {
    readonly address: string;
    readonly balanceWei: bigint;
    readonly paused: string | undefined;
  }[];
  /** Who signs for the channels that have something unclaimed. */
  readonly authorizers: readonly {
    readonly authorizer: Address;
    /** `sender`: the sending key claims in its own name; `missing`: nobody here can. */
    readonly signs: "key" | "sender" | "missing";
    readonly channels: number;
    readonly unclaimed: bigint;
  }[];
  /** Who is paid, and what is claimed and not swept. */
  readonly receivers: readonly ChannelReceiver[];
  /** How many channels are under withdrawal. */
  readonly withdrawals: number;
  /** How many calls are not decided. */
  readonly openCalls: number;
  /** What the last round did not claim or sweep, and why. */
  readonly waiting: readonly KeeperWaiting[];
};

/** A running keeper. */
export type ChannelKeeper = {
  /** Looks at the chain and the channels once, and starts what is due. It does not wait for its calls. */
  readonly round: () => Promise<void>;
  /** Claims these channels (all, if none are named) now, even if that costs more than it brings. */
  readonly claim: (channelIds?: readonly Hex[]) => Promise<ClaimReport>;
  /** Sweeps to these receivers (all, if none are named) now. */
  readonly sweep: (receivers?: readonly Address[]) => Promise<SweepReport>;
  /**
   * Claims a channel and gives the rest back to the payer, or `amount` of the rest, in atomic units.
   * @throws ChannelError if that cannot be done.
   */
  readonly refund: (channelId: Hex, amount?: bigint) => Promise<RefundResult>;
  /**
   * Reads where the keeper stands.
   * @throws ChainUnavailableError if the node does not answer.
   */
  readonly status: () => Promise<KeeperStatus>;
  /** Ends the keeper's work. The next keeper takes up the calls that were sent. */
  readonly close: () => Promise<void>;
};
