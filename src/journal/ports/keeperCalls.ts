import type { Address, Hex } from "viem";
import type { CallWork } from "./work.ts";

/** A call that a keeper has decided on. It is written before the engine gets it, so that a restart finds it. */
export type KeeperCall = Pick<CallWork, "chainId" | "to" | "data" | "gas" | "proof"> & {
  /** Also the engine's key of the call. */
  readonly key: string;
  readonly deadlineSeconds: bigint;
  /** The total that it is to claim, by channel. */
  readonly claims: readonly { readonly channelId: Hex; readonly totalClaimed: bigint }[];
  readonly sweeps: readonly { readonly receiver: Address; readonly token: Address }[];
  /** Channels whose remaining balance it is to give back. */
  readonly refunds?: readonly Hex[] | undefined;
  readonly createdAtMs: number;
  /** `open` until it was mined or given up, `mined` until its block is final. */
  readonly state: "open" | "mined";
};

/** What a keeper has decided to send. */
export type KeeperCallJournal = {
  /** Calls that are not final, oldest first. */
  readonly keeperCalls: (chainId: number) => Promise<readonly KeeperCall[]>;
  /** Stores a call, or its new state. */
  readonly storeKeeperCall: (call: KeeperCall) => Promise<void>;
  readonly removeKeeperCall: (key: string) => Promise<void>;
};
