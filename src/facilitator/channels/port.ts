import type { ChannelCall } from "../../channels/calls.ts";
import type { Seat } from "../admission/capacity.ts";
import type { Fault, Ticket } from "../admission/types.ts";
import type { Caller } from "../callers/caller.ts";
import type { CallOutcome, SubmitPort } from "./submit.ts";
import type { ChannelVerifyPort } from "./verify.ts";

export type ChannelSettleOptions = {
  /** Aborts when the caller is gone. */
  readonly signal?: AbortSignal | undefined;
  /** Kept with the call, for reports. */
  readonly source?: string | undefined;
  /** Who asks; somebody of whom nothing is known where it is left out. */
  readonly caller?: Caller | undefined;
  /** Its place among the requests that are inside. */
  readonly seat?: Pick<Seat, "waits"> | undefined;
};

/** What carrying out one request needs to know beside it. */
export type Submitting = ChannelSettleOptions & {
  /** Lets the call in that is about to be submitted. `amount`: what it moves, where that had to be looked up. */
  readonly admit: (amount?: bigint) => Promise<Ticket | Fault>;
  /** Who may hear the success again. */
  readonly holder: string | undefined;
};

export type ChannelPort = SubmitPort & ChannelVerifyPort;

export type ChannelSettlePort = ChannelPort & {
  /** Submits a call that may be repeated; who asks for the same one at the same time shares it. */
  readonly submitOnce: (call: ChannelCall, options: Submitting, amount: bigint) => Promise<CallOutcome>;
};
