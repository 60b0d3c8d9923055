import type { Address, Hex } from "viem";
import type { Clock } from "../clock.ts";
import type { ChannelReceiver, Journal } from "../journal/index.ts";
import type { Logger } from "../logger.ts";
import type { SettlementEngine } from "../settlement/engine/engine.ts";
import type { KeeperAlert } from "./alerts.ts";
import type { KeeperActivity } from "./calls/activity.ts";
import type { AuthorizerKey } from "./calls/authority.ts";
import type { BadVoucher } from "./calls/compose.ts";
import type { RefundResult } from "./calls/refund.ts";
import type { KeeperPolicy } from "./due/policy.ts";
import type { KeeperWaiting } from "./due/waiting.ts";
import type { KeeperMetrics } from "./metrics.ts";

/** Everything that a keeper works with. It closes none of it. */
export type KeeperOptions = {
  /** Where the servers' channels are, see `createChannelStorage`. */
  readonly journal: Journal;
  /** Sends and pays for the gas; on the same store. */
  readonly engine: Pick<SettlementEngine, "acceptCall" | "outcome" | "accounts">;
  /** The receiver authorizers' keys. */
  readonly keys: readonly AuthorizerKey[];
  readonly policy?: Partial<KeeperPolicy>;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly onAlert?: (alert: KeeperAlert) => void;
  /** Told of each claim, sweep and refund once it is mined, for each payee. */
  readonly onActivity?: (activity: KeeperActivity) => void;
  /** Told why something is not claimed or swept, when that begins. */
  readonly onWaiting?: (waiting: KeeperWaiting) => void;
  /**
   * Where it begins to read the chain, once in a journal. Where it is left out, that is where the last keeper stopped, or the newest
   * block.
   */
  readonly firstBlock?: bigint | undefined;
  /** Told what happens, see `createKeeperMetrics`. */
  readonly metrics?: KeeperMetrics | undefined;
  /** Whether it works by itself until it is closed; by default it does. */
  readonly isWatching?: boolean;
};

/** What became of a claim that was asked for. */
export type ClaimReport = {
  /** What the channels have been claimed up to, in all. */
  readonly claimed: readonly { readonly channelId: Hex; readonly totalClaimed: bigint; readonly transaction: Hex }[];
  readonly bad: readonly BadVoucher[];
  /** Channels that no key here may claim. */
  readonly withoutKey: readonly Hex[];
  /** Channels in calls that failed or are not decided. */
  readonly failed: readonly Hex[];
};

export type SweepReport = {
  readonly swept: readonly (Pick<ChannelReceiver, "receiver" | "token"> & {
    readonly amount: bigint;
    readonly transaction: Hex;
  })[];
  readonly failed: readonly Pick<ChannelReceiver, "receiver" | "token">[];
};

export type KeeperStatus = {
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
  readonly receivers: readonly ChannelReceiver[];
  readonly withdrawals: number;
  readonly openCalls: number;
  /** What the last round left where it was, and why. */
  readonly waiting: readonly KeeperWaiting[];
};

export type ChannelKeeper = {
  /** Looks at the chain and the channels once, and does what is due. Its calls are decided later. */
  readonly round: () => Promise<void>;
  /** Claims these channels (all, if none are named) now, even where that costs more than it brings. */
  readonly claim: (channelIds?: readonly Hex[]) => Promise<ClaimReport>;
  /** Sweeps to these receivers (all, if none are named) now. */
  readonly sweep: (receivers?: readonly Address[]) => Promise<SweepReport>;
  /**
   * Claims a channel and gives the rest, or `amount` of it, back to the payer.
   * @throws ChannelError where that cannot be done.
   */
  readonly refund: (channelId: Hex, amount?: bigint) => Promise<RefundResult>;
  readonly status: () => Promise<KeeperStatus>;
  /** Ends its work. What was sent is taken up by the next keeper. */
  readonly close: () => Promise<void>;
};
