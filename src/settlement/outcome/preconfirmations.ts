import type { Hex } from "viem";
import type { Clock } from "../../clock.ts";
import type { BatchRow } from "../../journal/ports/batches.ts";
import type { Evidence } from "../../journal/ports/evidence.ts";
import {
  isDecided,
  isOnItsWay,
  isPreconfirmed,
  type PaymentJournal,
  type PaymentRow,
  type Transition,
} from "../../journal/ports/payments.ts";
import type { Logger } from "../../logger.ts";
import type { Pace } from "../pace.ts";
import type { EnginePolicy } from "../policy.ts";
import { concludeBatch } from "./receipts/conclude.ts";
import type { MinedAttempt } from "./receipts/observe.ts";

export type PreconfirmationPort = {
  readonly journal: Pick<PaymentJournal, "withIds">;
  readonly policy: Pick<EnginePolicy, "retryRefused">;
  readonly pace: Pick<Pace, "retryRefusedAfterMs">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Moves payments, and tells {@link Preconfirmations.note} of it. */
  readonly apply: (transitions: readonly Transition[]) => Promise<readonly PaymentRow[]>;
};

/** What the sequencer says of open batches before their block is there. */
export type Preconfirmations = {
  /**
   * Takes in what a look at an open batch has found, and notes with each payment what is said of it now.
   * @param head The newest block.
   */
  readonly see: (batch: BatchRow, found: MinedAttempt | undefined, head: bigint) => Promise<Preconfirmed>;
  /** Learns where a payment stands, whoever moved it. */
  readonly note: (row: PaymentRow) => void;
  readonly view: () => PreconfirmationView;
};

/** What is said of a batch: that it is preconfirmed, that it no longer is, or nothing. */
export type Preconfirmed = "preconfirmed" | "taken-back" | "none";

/** Counts since the engine started. */
export type PreconfirmationView = {
  /** Preconfirmations of payments. One that was taken back and is there again counts twice. */
  readonly seen: number;
  /** Those that were taken back. */
  readonly takenBack: number;
  /** Those of them whose success had been told to a caller by then. */
  readonly toldTakenBack: number;
};

type Preconfirmation = Evidence & { readonly kind: "preconfirmation" };
type Row = PaymentRow & { readonly evidence: Preconfirmation };

/**
 * A node may answer once without what it said a moment ago, as one of several behind an address. Only after so many
 * such answers in a row does a preconfirmation count as taken back.
 */
const MISSES = 2;
/** More batches than are ever open. What is forgotten is read again. */
const REMEMBERED = 1_000;

/** Follows the preconfirmations of an engine's batches. */
export function createPreconfirmations(port: PreconfirmationPort): Preconfirmations {
  const { journal, clock, logger, apply } = port;
  /** What is said of each open batch that was looked at; nothing is said of one without an attempt. */
  const batches = new Map<Hex, { transactionHash: Hex | undefined; blockNumber: bigint; misses: number }>();
  /** The payments that are preconfirmed now. */
  const present = new Set<number>();
  /** Those that no longer are, and whose success was told. */
  const owed = new Set<number>();
  let seen = 0;
  let takenBack = 0;
  let toldTakenBack = 0;

  /** Every payment that an attempt of the batch carries. */
  const paymentsOf = async ({ id, attempts }: BatchRow): Promise<PaymentRow[]> => {
    const rows = await journal.withIds([...new Set(attempts.flatMap(({ paymentIds }) => paymentIds))]);
    return rows.filter(({ batchId }) => batchId === id).filter(isOnItsWay);
  };

  /** What was said of a batch, perhaps to an engine before this one. */
  async function known(batch: BatchRow) {
    const entry = batches.get(batch.id);
    if (entry !== undefined) return entry;
    const rows = (await paymentsOf(batch)).filter(hasWord);
    for (const { id } of rows) present.add(id);
    const { transactionHash, blockNumber = 0n } = rows[0]?.evidence ?? {};
    const read = { transactionHash, blockNumber, misses: 0 };
    batches.set(batch.id, read);
    const [oldest] = batches.keys();
    if (batches.size > REMEMBERED && oldest !== undefined) batches.delete(oldest);
    return read;
  }

  async function confirm(batch: BatchRow, { attempt, receipt }: MinedAttempt): Promise<void> {
    const rows = await paymentsOf(batch);
    const rules = { ...port.policy, ...port.pace, nowMs: clock.now() };
    const said = new Map<number, Preconfirmation>();
    for (const { paymentId, to, evidence } of concludeBatch(batch, attempt, receipt, rows, rules).transitions) {
      if (to !== "settled" || evidence.kind !== "transfer") continue;
      const { transactionHash, blockNumber, logIndex } = evidence;
      const [seenAtMs, level] = [clock.now(), "preconfirmed"] as const;
      said.set(paymentId, { kind: "preconfirmation", transactionHash, blockNumber, logIndex, seenAtMs, level });
    }
    const broken = rows.filter(hasWord).filter((row) => !isSame(row.evidence, said.get(row.id)));
    await takeBack(batch, broken);
    const fresh = rows.flatMap((row) => {
      const evidence = said.get(row.id);
      return evidence === undefined || (hasWord(row) && isSame(row.evidence, evidence)) ? [] : [{ row, evidence }];
    });
    for (const { id } of await apply(fresh.map(({ row, evidence }) => stay(batch, row, evidence)))) {
      present.add(id);
      seen += 1;
    }
  }

  async function takeBack(batch: BatchRow, rows: readonly Row[]): Promise<void> {
    const [first] = rows;
    if (first === undefined) return;
    const { transactionHash: hash, blockNumber } = first.evidence;
    const told = rows.filter(({ consumedAtMs }) => consumedAtMs !== undefined).length;
    const fields = { batch: batch.id, hash, blockNumber, payments: rows.length, told };
    logger.error("preconfirmations were taken back", fields);
    await apply(
      rows.map((row) => {
        const { transactionHash, blockNumber } = row.evidence;
        return stay(batch, row, { kind: "preconfirmation-lost", transactionHash, blockNumber });
      }),
    );
  }

  return {
    see: async (batch, found, head) => {
      const isMined = found !== undefined && (found.depth > 0 || found.receipt.blockNumber <= head);
      if (isMined) {
        const { transactionHash, blockNumber } = found.receipt;
        const said = batches.get(batch.id);
        batches.delete(batch.id);
        // It was said of another block, which came without it.
        const isOther = said?.transactionHash !== undefined && !isSame(said, { transactionHash, blockNumber });
        if (isOther) await takeBack(batch, (await paymentsOf(batch)).filter(hasWord));
        // Its block decides, and is read next.
        return "none";
      }
      const entry = await known(batch);
      if (found !== undefined) {
        const { transactionHash, blockNumber } = found.receipt;
        entry.misses = 0;
        if (isSame(entry, { transactionHash, blockNumber })) return "preconfirmed";
        await confirm(batch, found);
        Object.assign(entry, { transactionHash, blockNumber });
        return "preconfirmed";
      }
      if (entry.transactionHash === undefined) return "none";
      entry.misses += 1;
      if (entry.misses < MISSES) return "preconfirmed";
      await takeBack(batch, (await paymentsOf(batch)).filter(hasWord));
      Object.assign(entry, { transactionHash: undefined, misses: 0 });
      return "taken-back";
    },
    note: (row) => {
      if (isPreconfirmed(row)) return;
      if (present.delete(row.id) && row.state !== "settled") {
        takenBack += 1;
        if (row.consumedAtMs === undefined) return;
        toldTakenBack += 1;
        owed.add(row.id);
      }
      if (!isDecided(row) || !owed.delete(row.id) || row.state === "settled") return;
      const { id: paymentId, state, reason } = row;
      logger.error("a payment did not settle whose success was told when it was preconfirmed", {
        paymentId,
        state,
        reason,
      });
    },
    view: () => ({ seen, takenBack, toldTakenBack }),
  };
}

function hasWord(row: PaymentRow): row is Row {
  return isPreconfirmed(row);
}

/** What a preconfirmation says: this transaction will be in this block. */
type Word = { readonly transactionHash: Hex | undefined; readonly blockNumber: bigint };

function isSame(one: Word, other: Word | undefined): boolean {
  return one.transactionHash === other?.transactionHash && one.blockNumber === other?.blockNumber;
}

/** A step that changes what is known of a payment, and not its state. */
function stay({ id }: BatchRow, { id: paymentId }: PaymentRow, evidence: Evidence): Transition {
  return { paymentId, from: ["batched", "submitted"], batchId: id, to: "submitted", evidence };
}
