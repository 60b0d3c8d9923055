import type { Hex, TransactionReceipt } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import { readHorizon } from "../../chain/horizon.ts";
import { findReceipt } from "../../chain/sending/submit.ts";
import type { Attempt, BatchJournal, BatchRow } from "../../journal/ports/batches.ts";
import type { Lease } from "../../journal/ports/leases.ts";
import { isOnItsWay, type PaymentJournal, type PaymentRow, type Transition } from "../../journal/ports/payments.ts";
import type { Logger } from "../../logger.ts";
import type { SettlementPort } from "../port.ts";
import { punish } from "./punish.ts";
import { completeTransitions } from "./receipts/complete.ts";
import { type ConclusionPolicy, concludeBatch } from "./receipts/conclude.ts";
import { findCorrections } from "./receipts/corrections.ts";
import { findMined, type MinedAttempt } from "./receipts/observe.ts";
import { confirmReceipt } from "./receipts/readings.ts";

type ConclusionsPort = SettlementPort & {
  /** The client and every further node. */
  readonly nodes: readonly ChainClient[];
  readonly logger: Logger;
  /** Stores a batch's conclusion, and moves its payments. */
  readonly conclude: (lease: Lease, conclusion: Parameters<BatchJournal["concludeBatch"]>[1]) => Promise<void>;
};

/** Decides about the payments of batches whose txNonce is consumed. */
export type Conclusions = {
  /**
   * Stores the outcomes of a batch whose mined attempt is deep enough. Payments that it left over stay with the batch
   * until a reorg can no longer bring back an attempt that settles them. `refused` are payments that no node takes even
   * alone.
   */
  readonly concludeMined: (
    lease: Lease,
    batch: BatchRow,
    mined: MinedAttempt,
    refused: ReadonlySet<number>,
  ) => Promise<void>;
  /**
   * Decides the payments that the mined attempt of a batch left over. False if it could not yet, as when its block is
   * not deep enough.
   */
  readonly concludeRest: (lease: Lease, batch: BatchRow) => Promise<boolean>;
  /**
   * Reads a mined batch's receipt once more, and corrects what an earlier reading got wrong about the payments that it
   * carried. True if there was something to correct.
   */
  readonly recheck: (lease: Lease, batch: BatchRow, carried: readonly PaymentRow[]) => Promise<boolean>;
  /** Queues a batch's payments again, after another transaction took its txNonce for good. */
  readonly giveBack: (lease: Lease, batch: BatchRow, consumer: Hex) => Promise<void>;
};

export function createConclusions(port: ConclusionsPort): Conclusions {
  const { journal, client, nodes, policy, pace, clock, logger, conclude } = port;

  const rules = (): ConclusionPolicy => {
    const { retryRefusedAfterMs } = pace;
    return { nowMs: clock.now(), retryRefused: policy.retryRefused, retryRefusedAfterMs };
  };

  return {
    concludeRest: async (lease, batch) => {
      const mined = await findMined(client, batch, await client.getBlockNumber());
      if (mined === undefined || mined.receipt.blockHash !== batch.receipt?.blockHash) return false;
      if (!(await isLossCertain(mined))) return false;
      const { attempt } = mined;
      const receipt = await confirmReceipt(nodes, mined.receipt);
      if (receipt.blockHash !== batch.receipt.blockHash) return false;
      // Everything that the batch carried, wherever it is by now, because outcomes are read by position.
      const carried = await carriedBy(journal, batch);
      const isRest = new Set(carried.filter((row) => row.batchId === batch.id && isOnItsWay(row)).map(({ id }) => id));
      const conclusion = concludeBatch(batch, attempt, receipt, carried, rules());
      const rest = conclusion.transitions.filter(({ paymentId }) => isRest.has(paymentId));
      const transitions = await complete(rest, carried, attempt, receipt);
      await conclude(lease, { batchId: batch.id, state: "mined", receipt: batch.receipt, transitions });
      return true;
    },
    recheck: async (lease, batch, carried) => {
      const { receipt: kept } = batch;
      const attempt = batch.attempts.find(({ hash }) => hash === kept?.hash);
      if (kept === undefined || attempt === undefined || carried.length === 0) return false;
      const compare = (receipt: TransactionReceipt) => {
        const conclusion = concludeBatch(batch, attempt, receipt, carried, rules());
        return { ...conclusion, corrections: findCorrections(batch, conclusion, carried) };
      };
      const again = await findReceipt(client, attempt.hash);
      // If the node no longer has the receipt, or has one of another block, there is nothing to compare with.
      if (again === undefined || again.blockHash !== kept.blockHash || compare(again).corrections.length === 0) {
        return false;
      }
      const confirmed = await confirmReceipt(nodes, again);
      if (confirmed.blockHash !== kept.blockHash) return false;
      const { receipt, corrections } = compare(confirmed);
      const said = corrections.map(({ transition }) => transition);
      const transitions = await complete(said, carried, attempt, confirmed);
      for (const { payment, transition } of corrections) {
        const fields = { ...paymentFields(payment), batch: batch.id, was: payment.state, is: transition.to };
        logger.error("a node was wrong about an outcome, which is corrected", fields);
      }
      await conclude(lease, { batchId: batch.id, state: "mined", receipt, transitions });
      return true;
    },
    concludeMined: async (lease, batch, mined, refused) => {
      const { attempt } = mined;
      const payments = await paymentsOf(journal, batch);
      const read = (from: TransactionReceipt) => concludeBatch(batch, attempt, from, payments, rules(), refused);
      // A receipt that says that a payment did not settle is read twice. One that says that all settled is read again
      // before it is safe or final.
      const isGood = read(mined.receipt).transitions.every(({ to }) => to === "settled");
      const receipt = isGood ? mined.receipt : await confirmReceipt(nodes, mined.receipt);
      // It is another block's receipt, so its depth must be read anew.
      if (receipt.blockHash !== mined.receipt.blockHash) return;
      const conclusion = read(receipt);
      const explained = await complete(conclusion.transitions, payments, attempt, receipt);
      await punish(port, { transitions: explained, payments, attempt, receipt });
      const isReturned = ({ to }: Transition) => to === "queued";
      const mayReturn = !explained.some(isReturned) || (await isLossCertain(mined));
      const transitions = mayReturn ? explained : explained.filter((transition) => !isReturned(transition));
      await conclude(lease, { batchId: batch.id, state: "mined", receipt: conclusion.receipt, transitions });
    },
    giveBack: async (lease, batch, consumer) => {
      const payments = await paymentsOf(journal, batch);
      const transitions = payments.map((payment): Transition => {
        return {
          paymentId: payment.id,
          from: ["batched", "submitted"],
          batchId: batch.id,
          to: "queued",
          evidence: { kind: "returned", why: "another transaction took the txNonce", transactionHash: consumer },
        };
      });
      await conclude(lease, { batchId: batch.id, state: "lost", receipt: undefined, transitions });
    },
  };

  function complete(
    transitions: readonly Transition[],
    payments: readonly PaymentRow[],
    attempt: Attempt,
    receipt: TransactionReceipt,
  ): Promise<readonly Transition[]> {
    return completeTransitions(client, transitions, { payments, attempt, receipt, policy: rules() });
  }

  /**
   * Whether a payment that the mined attempt did not decide may go into another batch. If the block is younger, a reorg
   * could bring back an attempt that settles the payment.
   */
  async function isLossCertain({ depth, receipt }: MinedAttempt): Promise<boolean> {
    if (depth >= policy.lossConfirmations) return true;
    const horizon = depth === 0 ? undefined : await readHorizon(client);
    return horizon !== undefined && receipt.blockNumber <= horizon.final;
  }
}

/** The payments that a batch has, in whatever state. */
async function paymentsOf(journal: Pick<PaymentJournal, "withIds">, batch: BatchRow): Promise<PaymentRow[]> {
  return (await carriedBy(journal, batch)).filter(({ batchId }) => batchId === batch.id);
}

/** Every payment that an attempt of a batch carried, wherever it is by now. */
export function carriedBy(
  journal: Pick<PaymentJournal, "withIds">,
  { attempts }: BatchRow,
): Promise<readonly PaymentRow[]> {
  return journal.withIds([...new Set(attempts.flatMap(({ paymentIds }) => paymentIds))]);
}

/** Log fields of a payment. */
function paymentFields({ id: paymentId, work }: PaymentRow): Readonly<Record<string, unknown>> {
  if (work.kind === "call") return { paymentId, to: work.to };
  const { from: payer, to: payee, value: amount, nonce } = work.authorization;
  return { paymentId, payer, payee, amount, nonce };
}
