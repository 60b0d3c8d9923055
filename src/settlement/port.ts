import type { ChainClient } from "../chain/client.ts";
import type { Clock } from "../clock.ts";
import type { Journal } from "../journal/ports/journal.ts";
import type { Pace } from "./pace.ts";
import type { EnginePolicy } from "./policy.ts";

/** What every room of settlement works with. */
export type SettlementPort = {
  readonly journal: Journal;
  readonly client: ChainClient;
  readonly policy: EnginePolicy;
  readonly pace: Pace;
  readonly clock: Clock;
};
