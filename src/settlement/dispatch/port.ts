import type { Transition } from "../../journal/ports/payments.ts";
import type { Logger } from "../../logger.ts";
import type { SettlementPort } from "../port.ts";
import type { Sender } from "../sending/types.ts";
import type { Standing } from "./standing.ts";

/** What a round of dispatch works with. */
export type DispatchPort = SettlementPort & {
  readonly logger: Logger;
  readonly owner: string;
  readonly senders: readonly Sender[];
  readonly standing: Standing;
  /** Whether this round must end as soon as it can. */
  readonly isStopping: () => boolean;
  /** Applies transitions and tells the waiters. */
  readonly apply: (transitions: readonly Transition[]) => Promise<unknown>;
};
