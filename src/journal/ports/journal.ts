import type { BatchJournal } from "./batches.ts";
import type { CatalogueJournal } from "./catalogue.ts";
import type { ChannelJournal } from "./channels.ts";
import type { HealthJournal } from "./health.ts";
import type { KeeperCallJournal } from "./keeperCalls.ts";
import type { LeaseJournal } from "./leases.ts";
import type { LedgerJournal } from "./ledger.ts";
import type { NoteJournal } from "./notes.ts";
import type { PaymentJournal } from "./payments.ts";
import type { StrikeJournal } from "./strikes.ts";

/**
 * The journal: a port for each owner of rows. Every method is one atomic, durable transaction unless it says otherwise,
 * so what it resolved with survives a crash that follows. Times come from the caller's clock, in Unix milliseconds.
 */
export type Journal = PaymentJournal &
  BatchJournal &
  LeaseJournal &
  StrikeJournal &
  NoteJournal &
  ChannelJournal &
  LedgerJournal &
  KeeperCallJournal &
  CatalogueJournal &
  HealthJournal & { readonly close: () => Promise<void> };
