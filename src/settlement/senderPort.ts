import type { TransactionReceipt } from "viem";
import type { ChainClient } from "../chain/client.ts";
import { ChainMismatchError } from "../chain/errors.ts";
import { readHorizon } from "../chain/horizon.ts";
import { preflightAuthorization } from "../chain/preflight.ts";
import type { Clock } from "../clock.ts";
import type { Logger } from "../logger.ts";
import { recompose } from "./compose.ts";
import { carriedBy, isLeftOver, paymentsOf } from "./finality.ts";
import { lookUpUses, readUsed } from "./nonceUses.ts";
import type { EnginePolicy } from "./policy.ts";
import { punish } from "./punish.ts";
import {
  authorizationOf,
  concludeBatch,
  concludeRefusal,
  quarantined,
  revertedReason,
  usedElsewhere,
  withUses,
} from "./sending/conclude.ts";
import { findMined, type MinedAttempt } from "./sending/observe.ts";
import type { SenderPort } from "./sending/types.ts";
import type { Attempt, BatchRow, Evidence, Lease, PaymentRow, Store, Transition } from "./store/types.ts";

type Deps = {
  readonly store: Store;
  readonly client: ChainClient;
  readonly policy: EnginePolicy;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly noteRows: (rows: readonly PaymentRow[]) => void;
};

type Conclude = (lease: Lease, conclusion: Parameters<Store["concludeBatch"]>[1]) => Promise<void>;

/** What senders share: how batches are composed anew, concluded and given back. */
export function createSenderPort(deps: Deps): {
  readonly port: Omit<SenderPort, "nodes" | "account" | "owner">;
  /** Stores a conclusion and tells of the payments that it moved. */
  readonly conclude: Conclude;
  /** Decides about what the mined attempt of a batch left over. False: its block is not deep enough for that. */
  readonly concludeRest: (lease: Lease, batch: BatchRow) => Promise<boolean>;
} {
  const { store, client, policy, clock, logger } = deps;

  const conclude: Conclude = async (lease, conclusion) => {
    const answer = await store.concludeBatch(lease, conclusion, clock.now());
    if (answer === "fenced") {
      logger.error("lost the sending key before a batch was concluded", { batch: conclusion.batchId });
      return;
    }
    const ids = conclusion.transitions.map(({ paymentId }) => paymentId);
    deps.noteRows(await store.changed(ids, -1));
  };

  const conclusionPolicy = () => {
    const { retryRefused, retryRefusedAfterMs, maxTries } = policy;
    return { nowMs: clock.now(), retryRefused, retryRefusedAfterMs, maxTries };
  };

  return {
    conclude,
    concludeRest: async (lease, batch) => {
      const mined = await findMined(client, batch, await client.getBlockNumber());
      if (mined === undefined || mined.receipt.blockHash !== batch.receipt?.blockHash) return false;
      if (!(await isLossCertain(mined))) return false;
      const { attempt, receipt } = mined;
      // All that the attempt carried, wherever it is by now: outcomes are read by place.
      const carried = await carriedBy(store, batch);
      const isRest = new Set(carried.filter((row) => row.batchId === batch.id && isLeftOver(row)).map(({ id }) => id));
      const conclusion = concludeBatch(batch, attempt, receipt, carried, conclusionPolicy());
      const rest = conclusion.transitions.filter(({ paymentId }) => isRest.has(paymentId));
      const transitions = await explain(rest, carried, attempt, receipt);
      await conclude(lease, { batchId: batch.id, state: "mined", receipt: batch.receipt, transitions });
      return true;
    },
    port: {
      store,
      client,
      policy,
      clock,
      logger,
      recompose: (payments, batchId) => recompose({ store, client, policy, clock }, payments, batchId),
      conclude: async (lease, batch, mined, refused) => {
        const { attempt, receipt } = mined;
        const payments = await paymentsOf(store, batch);
        const conclusion = concludeBatch(batch, attempt, receipt, payments, conclusionPolicy(), refused);
        const explained = await explain(conclusion.transitions, payments, attempt, receipt);
        await punish({ store, client, policy, clock }, { transitions: explained, payments, attempt, receipt });
        const isReturned = ({ to }: Transition) => to === "queued";
        const mayReturn = !explained.some(isReturned) || (await isLossCertain(mined));
        const transitions = mayReturn ? explained : explained.filter((transition) => !isReturned(transition));
        await conclude(lease, { batchId: batch.id, state: "mined", receipt: conclusion.receipt, transitions });
      },
      giveBack: async (lease, batch, consumer) => {
        const payments = await paymentsOf(store, batch);
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
   * Whether a payment that the mined attempt did not decide may go into another batch. In a younger block, a reorg could bring
   * an attempt back that settles it.
   */
  async function isLossCertain({ depth, receipt }: MinedAttempt): Promise<boolean> {
    if (depth >= policy.lossConfirmations) return true;
    const horizon = depth === 0 ? undefined : await readHorizon(client);
    return horizon !== undefined && receipt.blockNumber <= horizon.final;
  }

  /** Looks up what a receipt does not say: who used a nonce, and why the token reverted a direct transfer. */
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
      const isUnexplained = attempt.kind === "direct" && transition.reason === "refused" && payment !== undefined;
      transitions.push(isUnexplained ? await explainDirect(transition, payment, attempt, receipt) : transition);
    }
    const used = usedElsewhere(transitions, payments);
    if (used.length === 0) return transitions;
    return withUses(transitions, payments, await lookUpUses({ client, policy }, used), receipt.blockNumber);
  }

  /**
   * A refusal is believed only while the nonce is free: where it is used, the money moved, or was cancelled, in whatever
   * way the receipt was read.
   */
  async function contradictRefusals(
    transitions: readonly Transition[],
    byId: ReadonlyMap<number, PaymentRow>,
  ): Promise<readonly Transition[]> {
    const doubted = transitions
      .filter(({ to, reason }) => (to === "rejected" || to === "expired") && reason !== "already-used")
      .map(({ paymentId }) => byId.get(paymentId))
      .filter((payment) => payment?.work.kind === "authorization")
      .filter((payment) => payment !== undefined);
    if (doubted.length === 0) return transitions;
    const { used } = await readUsed(client, doubted).catch((error: unknown) => {
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

  /** Why a direct transfer reverted. A receipt has no reason, so the token is asked again. */
  async function explainDirect(
    transition: Transition,
    payment: PaymentRow,
    attempt: Attempt,
    receipt: TransactionReceipt,
  ): Promise<Transition> {
    const { reason: _, nextTryAtMs: __, ...base } = transition;
    const where = { hash: attempt.hash, blockNumber: receipt.blockNumber };
    if (receipt.gasUsed >= attempt.gas - attempt.gas / 64n) {
      const message = "used up the gas of its transaction";
      return {
        ...base,
        ...concludeRefusal(payment, { reason: "gas-capped", message, data: "0x" }, where, conclusionPolicy()),
      };
    }
    const gasAllowance = attempt.gas;
    const refusal = await preflightAuthorization(client, authorizationOf(payment), { gasAllowance });
    if (refusal !== undefined) return { ...base, ...concludeRefusal(payment, refusal, where, conclusionPolicy()) };
    // It would settle now: what was in its way has passed. Not for ever, though.
    if (payment.tries >= policy.maxTries) {
      return { ...base, ...quarantined("it reverts each time, and never in a pre-flight", where) };
    }
    const evidence: Evidence = {
      kind: "returned",
      why: "it reverted, and would settle now",
      transactionHash: where.hash,
    };
    return { ...base, to: "queued", reason: revertedReason(1), evidence };
  }
}
