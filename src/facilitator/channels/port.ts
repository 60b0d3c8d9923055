import type { ChannelCall } from "../../channels/calls.ts";
import type { ChannelJournal } from "../../journal/ports/channels.ts";
import type { NoteJournal } from "../../journal/ports/notes.ts";
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
  /** The caller; if it is left out, nothing is known about them. */
  readonly caller?: Caller | undefined;
  /** The place of the request in the facilitator's capacity. */
  readonly seat?: Pick<Seat, "waits"> | undefined;
};

/** What else is needed to carry out a request. */
export type Submitting = ChannelSettleOptions & {
  /** Admits the call that is about to be submitted. `amount` is what it moves, if that had to be looked up. */
  readonly admit: (amount?: bigint) => Promise<Ticket | Fault>;
  /** The name under which the success may be heard again. */
  readonly holder: string | undefined;
};

export type ChannelPort = SubmitPort & ChannelVerifyPort & { readonly journal: ChannelJournal & NoteJournal };

export type ChannelSettlePort = ChannelPort & {
  /** Submits a call that may be repeated. Callers who ask for the same one at the same time share it. */
  readonly submitOnce: (call: ChannelCall, options: Submitting, amount: bigint) => Promise<CallOutcome>;
};
