import type { Hex } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import type { Horizon } from "../../chain/horizon.ts";
import type { BatchJournal, BatchRow, MinedBatch } from "../../journal/ports/batches.ts";
import type { BlockLevel, Evidence } from "../../journal/ports/evidence.ts";
import type { Journal } from "../../journal/ports/journal.ts";
import type { Lease } from "../../journal/ports/leases.ts";
import type { PaymentJournal } from "../../journal/ports/payments.ts";
import { isOnItsWay, type PaymentRow, type PaymentState, type Transition } from "../../journal/ports/payments.ts";
import { chunks } from "../../lists.ts";
import type { Logger } from "../../logger.ts";
import { type Conclusions, carriedBy } from "./conclusions.ts";
import { reasonOf } from "./receipts/conclude.ts";
import { hashOfBlock } from "./receipts/observe.ts";

export type FinalityPort = Pick<Conclusions, "concludeRest" | "recheck"> & {
  readonly journal: PaymentJournal & BatchJournal;
  readonly client: ChainClient;
  readonly logger: Logger;
  /** Stores a batch's conclusion, and moves its payments. */
  readonly conclude: (lease: Lease, conclusion: Parameters<Journal["concludeBatch"]>[1]) => Promise<void>;
};

/** States that a batch's transaction may have brought about: a reorg takes each of them back. */
const CONCLUDED: readonly PaymentState[] = [
  "settled",
  "rejected",
  "expired",
  "already-used",
  "settled-elsewhere",
  "cancelled",
];

/** Batches that are looked at together. */
const AT_ONCE = 16;
/** The most batches that are followed at once. The oldest become final first and make room. */
const FOLLOWED = 10_000;
/** A batch in a safe block is checked once in this many rounds: a reorg there is a failure of the chain below. */
const SAFE_EVERY = 15;

/** Follows the batches of a sender whose transaction was mined, until it is final. One round with each call. */
export type Follow = (lease: Lease, horizon: Horizon | undefined) => Promise<void>;

/**
 * Creates a follower of one sender's mined batches. It reads their receipts again and raises the level of their
 * payments as the block becomes safe and final. It decides about payments that the transaction left over, once the
 * block is deep enough. If another block takes the place of a batch's own, it opens the batch again, and its bytes are
 * broadcast once more.
 */
export function createFollow(port: FinalityPort): Follow {
  /** What this process has seen of each batch. It need not survive a restart. */
  const seen = new Map<Hex, { readonly level: BlockLevel; readonly isWhole: boolean }>();
  let round = 0;

  return async (lease, horizon) => {
    const { chainId, sender } = lease;
    const mined = await port.journal.minedBatches({ chainId, sender, limit: FOLLOWED });
    const ids = new Set(mined.map(({ id }) => id));
    for (const id of seen.keys()) if (!ids.has(id)) seen.delete(id);

    const due = mined.filter(({ id, receipt }) => {
      const level = levelOf(receipt.blockNumber, horizon);
      const known = seen.get(id);
      return level !== "safe" || known?.level !== "safe" || !known.isWhole || round % SAFE_EVERY === 0;
    });
    round += 1;
    // Batches of one block share one read of it.
    const blocks = new Map<bigint, ReturnType<typeof hashOfBlock>>();
    const blockHash = (blockNumber: bigint) => {
      const asked = blocks.get(blockNumber) ?? hashOfBlock(port.client, blockNumber);
      blocks.set(blockNumber, asked);
      return asked;
    };
    let failure: PromiseRejectedResult | undefined;
    for (const some of chunks(due, AT_ONCE)) {
      const looks = some.map((batch) => look(lease, batch, horizon, blockHash));
      // A fault of one batch does not stop the others.
      failure ??= (await Promise.allSettled(looks)).find((result) => result.status === "rejected");
    }
    if (failure !== undefined) throw failure.reason;
  };

  async function look(
    lease: Lease,
    { id, receipt }: MinedBatch,
    horizon: Horizon | undefined,
    blockHash: (blockNumber: bigint) => Promise<Hex | undefined>,
  ): Promise<void> {
    const there = await blockHash(receipt.blockNumber);
    // Only another block at that height is evidence. A node that has none is behind, or the chain is growing back.
    if (there === undefined) return;
    const level = levelOf(receipt.blockNumber, horizon);
    const known = seen.get(id);
    if (there === receipt.blockHash && known?.level === level && known.isWhole) return;
    const batch = await port.journal.batch(id);
    if (batch === undefined) return;
    const carried = await carriedBy(port.journal, batch);
    const ownOf = (rows: readonly PaymentRow[]) => rows.filter(({ batchId }) => batchId === id);
    const payments = ownOf(carried);
    if (there !== receipt.blockHash) {
      seen.delete(id);
      await reopen(port, lease, batch, payments);
      return;
    }
    const hasRest = payments.some(isOnItsWay);
    const isWhole = !hasRest || (await port.concludeRest(lease, batch));
    // A single reading may be wrong, so none is called safe or final without a second one.
    const isCorrected = level !== "included" && (await port.recheck(lease, batch, carried));
    const now = hasRest || isCorrected ? ownOf(await carriedBy(port.journal, batch)) : payments;
    const transitions = now.flatMap((payment) => raise(payment, level));
    if (isWhole && level === "final") {
      await port.conclude(lease, { batchId: id, state: "final", receipt: undefined, transitions });
    } else if (transitions.length > 0) {
      await port.conclude(lease, { batchId: id, state: "mined", receipt: undefined, transitions });
    }
    seen.set(id, { level, isWhole });
  }
}

async function reopen(
  { conclude, logger }: FinalityPort,
  lease: Lease,
  { id, receipt }: BatchRow,
  payments: readonly PaymentRow[],
): Promise<void> {
  if (receipt === undefined) return;
  const { blockNumber, blockHash } = receipt;
  const evidence: Evidence = { kind: "reorg", blockNumber, blockHash };
  logger.warn("block left the chain: batch is open again", { batch: id, block: blockNumber });
  const transitions = payments.map((payment): Transition => {
    return { paymentId: payment.id, from: CONCLUDED, batchId: id, to: "submitted", evidence };
  });
  await conclude(lease, { batchId: id, state: "open", receipt: undefined, transitions });
}

function levelOf(blockNumber: bigint, horizon: Horizon | undefined): BlockLevel {
  if (horizon === undefined) return "included";
  if (blockNumber <= horizon.final) return "final";
  return blockNumber <= horizon.safe ? "safe" : "included";
}

const rank: Readonly<Record<BlockLevel, number>> = { included: 0, safe: 1, final: 2 };

function raise(payment: PaymentRow, level: BlockLevel): Transition[] {
  const { evidence } = payment;
  if (evidence.kind !== "transfer" && evidence.kind !== "receipt") return [];
  if (rank[level] <= rank[evidence.level]) return [];
  const { id: paymentId, state } = payment;
  return [{ paymentId, from: [state], to: state, ...reasonOf(payment), evidence: { ...evidence, level } }];
}
