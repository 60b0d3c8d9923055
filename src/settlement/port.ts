import type { ChainClient } from "../chain/client.ts";
import type { Clock } from "../clock.ts";
import type { BatchJournal } from "../journal/ports/batches.ts";
import type { LeaseJournal } from "../journal/ports/leases.ts";
import type { PaymentJournal } from "../journal/ports/payments.ts";
import type { StrikeJournal } from "../journal/ports/strikes.ts";
import type { Pace } from "./pace.ts";
import type { EnginePolicy } from "./policy.ts";

/** What every room of settlement works with. */
export type SettlementPort = {
  readonly journal: PaymentJournal & BatchJournal & LeaseJournal & StrikeJournal;
  readonly client: ChainClient;
  readonly policy: EnginePolicy;
  readonly pace: Pace;
  readonly clock: Clock;
};
