import type { ChainClient } from "../chain/client.ts";
import type { Horizon } from "../chain/horizon.ts";
import type { Logger } from "../logger.ts";
import { hashOfBlock } from "./sending/observe.ts";
import type {
  BatchRow,
  Evidence,
  Lease,
  PaymentRow,
  PaymentState,
  SettlementLevel,
  Store,
  Transition,
} from "./store/types.ts";

export type FinalityPort = {
  readonly store: Store;
  readonly client: ChainClient;
  readonly logger: Logger;
  readonly conclude: (lease: Lease, conclusion: Parameters<Store["concludeBatch"]>[1]) => Promise<void>;
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
/** Batches that are followed at a time: the oldest become final first and make room. */
const FOLLOWED = 1_000;
/** Of those in safe blocks only each so-manieth look is taken: a reorg there is a failure of the chain below. */
const SAFE_EVERY = 15;

/**
 * Follows the batches of a sender whose transaction was mined, until it is final. `round` counts the calls.
 */
export async function followBatches(
  port: FinalityPort,
  lease: Lease,
  horizon: Horizon | undefined,
  round: number,
): Promise<void> {
  const { chainId, sender } = lease;
  const mined = await port.store.batches({ chainId, sender, states: ["mined"], limit: FOLLOWED });
  const due = mined.filter(({ receipt }) => {
    return receipt !== undefined && (levelOf(receipt.blockNumber, horizon) !== "safe" || round % SAFE_EVERY === 0);
  });
  for (let i = 0; i < due.length; i += AT_ONCE) {
    await Promise.all(due.slice(i, i + AT_ONCE).map((batch) => followBatch(port, lease, batch, horizon)));
  }
}

/**
 * Looks once more at a batch whose transaction was mined: raises its payments' level as the chain becomes sure of the
 * block, or opens it again where another block has taken its place. Its bytes are then handed out again.
 */
export async function followBatch(
  port: FinalityPort,
  lease: Lease,
  batch: BatchRow,
  horizon: Horizon | undefined,
): Promise<void> {
  const { receipt } = batch;
  if (receipt === undefined) return;
  const there = await hashOfBlock(port.client, receipt.blockNumber);
  // Evidence is another block at that height. A node that has none yet is behind, or the chain grows back.
  if (there === undefined) return;
  const ids = [...new Set(batch.attempts.flatMap(({ paymentIds }) => paymentIds))];
  const payments = (await port.store.changed(ids, -1)).filter((payment) => payment.batchId === batch.id);

  if (there !== receipt.blockHash) {
    const evidence: Evidence = { kind: "reorg", blockNumber: receipt.blockNumber, blockHash: receipt.blockHash };
    port.logger.warn("block left the chain: batch is open again", { batch: batch.id, block: receipt.blockNumber });
    const transitions = payments.map((payment): Transition => {
      return { paymentId: payment.id, from: CONCLUDED, batchId: batch.id, to: "submitted", evidence };
    });
    await port.conclude(lease, { batchId: batch.id, state: "open", receipt: undefined, transitions });
    return;
  }
  const level = levelOf(receipt.blockNumber, horizon);
  const transitions = payments.flatMap((payment) => raise(payment, level));
  if (level === "final" || transitions.length > 0) {
    const state = level === "final" ? "final" : "mined";
    await port.conclude(lease, { batchId: batch.id, state, receipt, transitions });
  }
}

function levelOf(blockNumber: bigint, horizon: Horizon | undefined): SettlementLevel {
  if (horizon === undefined) return "included";
  if (blockNumber <= horizon.final) return "final";
  return blockNumber <= horizon.safe ? "safe" : "included";
}

const rank: Readonly<Record<SettlementLevel, number>> = { included: 0, safe: 1, final: 2 };

function raise(payment: PaymentRow, level: SettlementLevel): Transition[] {
  const { evidence } = payment;
  if (evidence.kind !== "transfer" && evidence.kind !== "receipt") return [];
  if (rank[level] <= rank[evidence.level]) return [];
  const reason = payment.reason === undefined ? {} : { reason: payment.reason };
  return [
    { paymentId: payment.id, from: [payment.state], to: payment.state, ...reason, evidence: { ...evidence, level } },
  ];
}
