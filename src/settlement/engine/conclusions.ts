import type { TransactionReceipt } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import { ChainMismatchError, ChainUnavailableError } from "../../chain/errors.ts";
import { readHorizon } from "../../chain/horizon.ts";
import { showsUse } from "../../chain/logs/uses.ts";
import { preflightAuthorization } from "../../chain/sending/preflight.ts";
import { findReceipt } from "../../chain/sending/submit.ts";
import type { Attempt, BatchRow } from "../../journal/ports/batches.ts";
import type { Evidence } from "../../journal/ports/evidence.ts";
import type { Lease } from "../../journal/ports/leases.ts";
import {
  type AuthorizationRow,
  isAuthorization,
  type PaymentRow,
  type Transition,
} from "../../journal/ports/payments.ts";
import type { Logger } from "../../logger.ts";
import { recompose } from "../dispatch/compose.ts";
import { carriedBy, type FinalityPort, isLeftOver, paymentsOf } from "../outcome/finality.ts";
import { punish } from "../outcome/punish.ts";
import {
  batchReverted,
  concludeBatch,
  concludeRefusal,
  MAX_TRIES,
  quarantined,
  usedElsewhere,
  withUses,
} from "../outcome/receipts/conclude.ts";
import { findCorrections } from "../outcome/receipts/corrections.ts";
import { lookUpUses, readUsedIdentities } from "../outcome/receipts/nonceUses.ts";
import { findMined, type MinedAttempt } from "../outcome/receipts/observe.ts";
import { confirmReceipt } from "../outcome/receipts/readings.ts";
import type { SettlementPort } from "../port.ts";
import type { SenderPort } from "../sending/types.ts";
import type { Changes } from "./changes.ts";

type ConclusionsPort = SettlementPort & {
  /** The client and every further node. */
  readonly nodes: readonly ChainClient[];
  readonly logger: Logger;
  readonly conclude: Changes["conclude"];
};

/** What senders share: composing batches anew, concluding them and giving them back. */
export function createConclusions(deps: ConclusionsPort): {
  readonly port: Omit<SenderPort, "account" | "owner">;
  /**
   * Decides the payments that the mined attempt of a batch left over. False if it could not yet, as when its block is
   * not deep enough.
   */
  readonly concludeRest: (lease: Lease, batch: BatchRow) => Promise<boolean>;
  /** See {@link FinalityPort}. */
  readonly recheck: FinalityPort["recheck"];
} {
  const { journal, client, nodes, policy, pace, clock, logger, conclude } = deps;

  const conclusionPolicy = () => {
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
      const isRest = new Set(carried.filter((row) => row.batchId === batch.id && isLeftOver(row)).map(({ id }) => id));
      const conclusion = concludeBatch(batch, attempt, receipt, carried, conclusionPolicy());
      const rest = conclusion.transitions.filter(({ paymentId }) => isRest.has(paymentId));
      const transitions = await explain(rest, carried, attempt, receipt);
      await conclude(lease, { batchId: batch.id, state: "mined", receipt: batch.receipt, transitions });
      return true;
    },
    recheck: async (lease, batch, carried) => {
      const { receipt: kept } = batch;
      const attempt = batch.attempts.find(({ hash }) => hash === kept?.hash);
      if (kept === undefined || attempt === undefined || carried.length === 0) return false;
      const compare = (receipt: TransactionReceipt) => {
        const conclusion = concludeBatch(batch, attempt, receipt, carried, conclusionPolicy());
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
      const transitions = await explain(said, carried, attempt, confirmed);
      for (const { payment, transition } of corrections) {
        const fields = { ...paymentFields(payment), batch: batch.id, was: payment.state, is: transition.to };
        logger.error("a node was wrong about an outcome, which is corrected", fields);
      }
      await conclude(lease, { batchId: batch.id, state: "mined", receipt, transitions });
      return true;
    },
    port: {
      journal,
      client,
      nodes,
      policy,
      pace,
      clock,
      logger,
      recompose: (payments, batchId) => recompose(deps, payments, batchId),
      conclude: async (lease, batch, mined, refused) => {
        const { attempt } = mined;
        const payments = await paymentsOf(journal, batch);
        const read = (from: TransactionReceipt) =>
          concludeBatch(batch, attempt, from, payments, conclusionPolicy(), refused);
        // A receipt that says that a payment did not settle is read twice. One that says that all settled is read again
        // before it is safe or final.
        const isGood = read(mined.receipt).transitions.every(({ to }) => to === "settled");
        const receipt = isGood ? mined.receipt : await confirmReceipt(nodes, mined.receipt);
        // It is another block's receipt, so its depth must be read anew.
        if (receipt.blockHash !== mined.receipt.blockHash) return;
        const conclusion = read(receipt);
        const explained = await explain(conclusion.transitions, payments, attempt, receipt);
        await punish(deps, { transitions: explained, payments, attempt, receipt });
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
    },
  };

  /**
   * Whether a payment that the mined attempt did not decide may go into another batch. If the block is younger, a reorg
   * could bring back an attempt that settles the payment.
   */
  async function isLossCertain({ depth, receipt }: MinedAttempt): Promise<boolean> {
    if (depth >= policy.lossConfirmations) return true;
    const horizon = depth === 0 ? undefined : await readHorizon(client);
    return horizon !== undefined && receipt.blockNumber <= horizon.final;
  }

  /**
   * Looks up what a receipt does not say: which transaction used a nonce, and why the token reverted a direct transfer.
   */
  async function explain(
    fromReceipt: readonly Transition[],
    payments: readonly PaymentRow[],
    attempt: Attempt,
    receipt: TransactionReceipt,
  ): Promise<readonly Transition[]> {
    const byId = new Map(payments.map((payment) => [payment.id, payment]));
    const checked = await contradictRefusals(fromReceipt, byId);
    const transitions: Transition[] = [];
    for (const transition of checked) {
      const payment = byId.get(transition.paymentId);
      const isUnexplained = attempt.kind === "direct" && transition.reason === "refused";
      if (!isUnexplained || payment === undefined || !isAuthorization(payment)) transitions.push(transition);
      else transitions.push(await explainDirect(transition, payment, attempt, receipt));
    }
    const used = usedElsewhere(transitions, payments);
    if (used.length === 0) return transitions;
    const uses = await lookUpUses(client, used);
    for (const payment of used) {
      const isHere = uses.get(payment.id)?.transactionHash === receipt.transactionHash;
      if (!isHere || showsUse(receipt, payment.work.authorization)) continue;
      throw new ChainUnavailableError(
        `The receipt of ${receipt.transactionHash} lacks a log that the node has found in it.`,
        {
          hint: "Use another node: this one contradicts itself.",
        },
      );
    }
    return withUses(transitions, payments, uses, receipt.blockNumber);
  }

  /**
   * Believes a refusal only while the nonce is free. If the nonce is used, the money moved or the authorization was
   * cancelled, whatever the receipt said.
   */
  async function contradictRefusals(
    transitions: readonly Transition[],
    byId: ReadonlyMap<number, PaymentRow>,
  ): Promise<readonly Transition[]> {
    const doubted = transitions
      .filter(({ to, reason }) => (to === "rejected" || to === "expired") && reason !== "already-used")
      .flatMap(({ paymentId }) => byId.get(paymentId) ?? [])
      .filter(isAuthorization);
    if (doubted.length === 0) return transitions;
    const { used } = await readUsedIdentities(client, doubted).catch((error: unknown) => {
      if (error instanceof ChainMismatchError) return { used: new Set<string>() };
      throw error;
    });
    const contradicted = new Set(doubted.filter(({ identity }) => used.has(identity)).map(({ id }) => id));
    return transitions.map((transition) =>
      contradicted.has(transition.paymentId)
        ? { ...transition, to: "already-used", reason: "already-used" }
        : transition,
    );
  }

  /** Finds out why a direct transfer reverted. A receipt has no reason, so the token is asked again. */
  async function explainDirect(
    transition: Transition,
    payment: AuthorizationRow,
    attempt: Attempt,
    receipt: TransactionReceipt,
  ): Promise<Transition> {
    const { reason: _, reasonCount: __, nextTryAtMs: ___, ...base } = transition;
    const where = { hash: attempt.hash, blockNumber: receipt.blockNumber };
    if (receipt.gasUsed >= attempt.gas - attempt.gas / 64n) {
      const message = "used up the gas of its transaction";
      return {
        ...base,
        ...concludeRefusal(payment, { reason: "gas-capped", message, data: "0x" }, where, conclusionPolicy()),
      };
    }
    const gasAllowance = attempt.gas;
    const refusal = await preflightAuthorization(client, payment.work.authorization, { gasAllowance });
    if (refusal !== undefined) return { ...base, ...concludeRefusal(payment, refusal, where, conclusionPolicy()) };
    // It would settle now, so whatever was in its way has passed. The number of tries is still limited.
    if (payment.tries >= MAX_TRIES) {
      return { ...base, ...quarantined("it reverts each time, and never in a pre-flight", where) };
    }
    const evidence: Evidence = {
      kind: "returned",
      why: "it reverted, and would settle now",
      transactionHash: where.hash,
    };
    return { ...base, to: "queued", ...batchReverted(1), evidence };
  }
}

/** Log fields of a payment. */
function paymentFields({ id: paymentId, work }: PaymentRow): Readonly<Record<string, unknown>> {
  if (work.kind === "call") return { paymentId, to: work.to };
  const { from: payer, to: payee, value: amount, nonce } = work.authorization;
  return { paymentId, payer, payee, amount, nonce };
}
