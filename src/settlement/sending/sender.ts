import type { Hex } from "viem";
import { mutex } from "../../async/mutex.ts";
import { type Fees, offer, readMarket } from "../../chain/fees/fees.ts";
import { broadcastToAll } from "../../chain/sending/broadcast.ts";
import { describeError } from "../../failures.ts";
import type { Attempt, BatchRow } from "../../journal/ports/batches.ts";
import type { Lease } from "../../journal/ports/leases.ts";
import { consumerOf, findMined, type MinedAttempt } from "../outcome/receipts/observe.ts";
import { createBalanceWatch } from "./balance.ts";
import { type BatchDecision, decideBatch, findGaps } from "./decide.ts";
import { replacementFees } from "./fees.ts";
import { createLeaseKeeper } from "./lease.ts";
import { newBatchId, noop, signAttempt } from "./signing.ts";
import { createTracks } from "./tracks.ts";
import { type BelievedCounts, createTxCountWatch } from "./txCounts.ts";
import type { Composition, Sender, SenderPort } from "./types.ts";

/** More batches than a key ever has open. */
const MAX_OPEN = 1_000;
/** The longest that a key is left alone after a failure. */
const MAX_FAILING_MS = 30_000;

/** The owner of one sending key: the only place where its txNonces are given out and its transactions signed. */
export function createSender(port: SenderPort): Sender {
  const { journal, client, account, policy, pace, clock, logger } = port;
  const key = { chainId: client.chain.id, sender: account.address };
  const leases = createLeaseKeeper({ journal, key, owner: port.owner, ttlMs: policy.leaseTtlMs, clock, logger });
  const balance = createBalanceWatch({ client, address: key.sender, policy, logger });
  const txCounts = createTxCountWatch({ journal, client, nodes: port.nodes, sender: key.sender, logger });
  const tracks = createTracks();
  const exclusively = mutex();
  /** Payments that nodes refused even alone. They are forgotten when their batch is concluded. */
  const refused = new Set<number>();
  /** When each gap was first seen, by txNonce. */
  const gaps = new Map<number, number>();
  /** Attempts that are being handed out at this moment. */
  const underWay = new Set<Hex>();
  let closed = false;
  /** The batches that are open, as far as this sender knows. */
  let open = new Set<Hex>();
  /** For each look at the journal that is under way: the batches stored meanwhile, which it may miss. */
  const missable = new Set<Set<Hex>>();
  let failures = 0;
  let failingUntilMs = 0;

  const holds = (): Lease | undefined => (closed ? undefined : leases.holds());

  /** If one key cannot sign, the others go on. */
  async function send(compose: (batchId: Hex) => Composition): Promise<boolean> {
    try {
      const isSent = await trySend(compose);
      if (isSent) failures = 0;
      return isSent;
    } catch (error) {
      failures += 1;
      failingUntilMs = clock.now() + Math.min(MAX_FAILING_MS, pace.pollMs * 2 ** Math.min(failures, 10));
      if (failures === 1) logger.warn("nothing was signed", { sender: key.sender, ...describeError(error) });
      return false;
    }
  }

  async function trySend(compose: (batchId: Hex) => Composition): Promise<boolean> {
    const stored = await exclusively(async () => {
      const held = holds();
      if (held === undefined) return undefined;
      // The journal first, then the chain, and only ever forward: a txNonce that was signed for is never given out
      // again. If signing or storing fails, the txNonce was not given out, and the next batch gets it.
      const [market, counts] = await Promise.all([readMarket(client), txCounts.read(open.size)]);
      if (counts === undefined) return undefined;
      const txNonce = Math.max(counts.known.signed ?? 0, counts.pending);
      return signAndStore(held, txNonce, compose, offer(market, policy.fees));
    });
    if (stored === undefined) return false;
    open.add(stored.batch.id);
    for (const ids of missable) ids.add(stored.batch.id);
    // Stored is as good as sent: the next look fixes what goes wrong from here on.
    await handOut(stored.batch, stored.attempt).catch(() => undefined);
    port.cutOff.sent(stored.batch.id, stored.attempt.paymentIds.length, clock.now());
    return true;
  }

  async function signAndStore(
    held: Lease,
    txNonce: number,
    compose: (batchId: Hex) => Composition,
    fees: Fees,
  ): Promise<{ batch: Pick<BatchRow, "id" | "txNonce">; attempt: Attempt } | undefined> {
    const nowMs = clock.now();
    const id = newBatchId(key, txNonce, nowMs);
    const attempt = await signAttempt(client, account, { txNonce, composition: compose(id), fees, nowMs });
    const answer = await journal.storeBatch(held, { id, ...key, txNonce, attempt }, clock.now());
    if (answer === "stored") return { batch: { id, txNonce }, attempt };
    logger.warn("batch not stored, so not sent", { sender: key.sender, txNonce, why: answer });
    if (answer === "fenced") leases.lose();
    return undefined;
  }

  /**
   * Broadcasts stored bytes if the key is still ours. The journal notes it first, so it never misses bytes that may be
   * out.
   */
  async function handOut(batch: Pick<BatchRow, "id" | "txNonce">, attempt: Attempt): Promise<void> {
    const held = holds();
    if (held === undefined || underWay.has(attempt.hash)) return;
    underWay.add(attempt.hash);
    try {
      const noted = await journal.markBroadcast(held, attempt.hash, clock.now());
      if (noted === "fenced") return leases.lose();
      if (noted === "decided") return;
      // Another epoch means another lease: somebody else may have had the key in between.
      if (holds()?.epoch !== held.epoch) return;
      const answer = await broadcastToAll(port.nodes, attempt.raw);
      tracks.answered(batch.id, attempt.hash, answer, clock.now());
      logger.info("transaction handed out", { ...attemptFields(batch, attempt), answer });
      if (answer === "insufficient-funds") await balance.refused(attempt);
    } finally {
      underWay.delete(attempt.hash);
    }
  }

  /** Log fields of a transaction: the id of its payment if it has one only, otherwise the number of payments. */
  function attemptFields(batch: Pick<BatchRow, "id" | "txNonce">, attempt: Attempt): Readonly<Record<string, unknown>> {
    const { hash, paymentIds, maxFeePerGas, maxPriorityFeePerGas } = attempt;
    const [paymentId] = paymentIds;
    const cargo = paymentIds.length === 1 ? { paymentId } : { payments: paymentIds.length };
    const fees = { maxFeePerGas, maxPriorityFeePerGas };
    return { sender: key.sender, batch: batch.id, txNonce: batch.txNonce, hash, ...cargo, ...fees };
  }

  async function count(): Promise<readonly BatchRow[]> {
    const meanwhile = new Set<Hex>();
    missable.add(meanwhile);
    const batches = await journal
      .batches({ ...key, states: ["open"], limit: MAX_OPEN })
      .finally(() => missable.delete(meanwhile));
    open = new Set([...batches.map(({ id }) => id), ...meanwhile]);
    return batches;
  }

  async function tick(): Promise<void> {
    const held = holds();
    if (held === undefined) return;
    const batches = await count();
    tracks.keepOnly(batches);
    await balance.look(
      batches.map((batch) => ({ batch, answer: trackOf(batch).answer })),
      // The balance covers them now: the same bytes go out again.
      (batch) => tracks.forgetAnswer(batch.id, clock.now()),
    );
    if (batches.length === 0 && !txCounts.isFaulty()) return;

    // All in one request, since callers that wait for an outcome wait for this look.
    const newest = client.getBlockNumber();
    const looks = batches.map((batch) => settle(findMined(client, batch, newest)));
    const [head, counts] = await Promise.all([newest, txCounts.read(batches.length)]);
    const mined = await Promise.all(looks);
    let failure: unknown;
    for (const [i, batch] of batches.entries()) {
      try {
        const found = await observed(batch, await mined[i]?.(), head);
        // If there is a receipt, it decides alone. Everything else depends on the count.
        if (found !== undefined || counts !== undefined) await look(held, batch, found, counts?.latest ?? 0, head);
      } catch (error) {
        // A fault of one batch does not stop the others.
        failure ??= error;
      }
    }
    if (counts !== undefined) await fillGaps(held, batches, counts);
    if (failure !== undefined) throw failure;
  }

  /** Notes what was found of a batch. As long as its block is not there, what is found decides nothing. */
  async function observed(
    batch: BatchRow,
    found: MinedAttempt | undefined,
    head: bigint,
  ): Promise<MinedAttempt | undefined> {
    const { cutOff, preconfirmations, steps } = port;
    if (found !== undefined) cutOff.mined(batch.id, steps === undefined ? found.receipt.blockNumber : steps.newest());
    if (preconfirmations === undefined) return found;
    const isAhead = found !== undefined && found.receipt.blockNumber > head;
    const ripe = isAhead ? { ...found, depth: 0 } : found;
    // Its bytes may have to go out again.
    if ((await preconfirmations.see(batch, ripe, head)) === "taken-back") tracks.forgetAnswer(batch.id, clock.now());
    return ripe;
  }

  function trackOf(batch: BatchRow) {
    const track = tracks.of(batch.id, clock.now());
    // An answer only counts for the attempt that it was given for.
    return track.handedOut === batch.attempts.at(-1)?.hash ? track : { ...track, answer: undefined, answerTimes: 0 };
  }

  async function look(
    held: Lease,
    batch: BatchRow,
    mined: MinedAttempt | undefined,
    txCount: number,
    head: bigint,
  ): Promise<void> {
    const consumer =
      mined === undefined && txCount > batch.txNonce
        ? await consumerOf(client, key.sender, batch, head, policy.lossConfirmations)
        : undefined;
    const { seenSinceMs, answer, answerTimes, replaceNotBeforeMs } = trackOf(batch);
    const view = {
      batch,
      nowMs: clock.now(),
      mined,
      txCount,
      consumer,
      seenSinceMs,
      answer,
      answerTimes,
      replaceNotBeforeMs,
    };
    await carryOut(held, batch, decideBatch(view, { ...policy, ...pace }), mined);
  }

  async function carryOut(
    held: Lease,
    batch: BatchRow,
    decision: BatchDecision,
    mined: MinedAttempt | undefined,
  ): Promise<void> {
    switch (decision.do) {
      case "wait":
        return;
      case "conclude":
        if (mined === undefined) return;
        await port.concludeMined(held, batch, mined, refused);
        for (const { paymentIds } of batch.attempts) for (const id of paymentIds) refused.delete(id);
        open.delete(batch.id);
        return;
      case "give-back": {
        const { consumer } = decision;
        const lost = batch.attempts.at(-1);
        const fields = lost === undefined ? { batch: batch.id, txNonce: batch.txNonce } : attemptFields(batch, lost);
        logger.warn("another transaction took the txNonce", { ...fields, consumer });
        await port.giveBack(held, batch, consumer);
        open.delete(batch.id);
        return;
      }
      case "broadcast":
        await handOut(batch, decision.attempt);
        return;
      case "replace":
        await replace(held, batch, decision.attempt, decision.because);
        return;
    }
  }

  async function replace(
    held: Lease,
    batch: BatchRow,
    last: Attempt,
    because: "time" | "fee" | "invalid",
  ): Promise<void> {
    const fees = replacementFees(last, await readMarket(client), policy.fees);
    if (fees === undefined) {
      logger.warn("the fee ceiling leaves no room for a replacement", attemptFields(batch, last));
      tracks.deferReplacement(batch.id, clock.now() + pace.replaceAfterMs, clock.now());
      await handOut(batch, last);
      return;
    }
    const rows = new Map((await journal.withIds(last.paymentIds)).map((row) => [row.id, row]));
    const carried = last.paymentIds.map((id) => rows.get(id)).filter((row) => row?.batchId === batch.id);
    const payments = carried.filter((row) => row !== undefined);
    const [first] = payments;
    const alone = because === "invalid" && payments.length === 1 ? first : undefined;
    if (alone !== undefined) refused.add(alone.id);
    // If nodes refuse the whole, try half of it, until a refused payment is alone.
    const some = because === "invalid" ? payments.slice(0, Math.floor(payments.length / 2)) : payments;
    const composition = some.length === 0 ? undefined : await port.recompose(some, batch.id);
    const attempt = await exclusively(async () => {
      const signed = await signAttempt(client, account, {
        txNonce: batch.txNonce,
        composition: composition ?? noop(account.address),
        fees,
        nowMs: clock.now(),
      });
      const answer = await journal.storeAttempt(held, batch.id, signed);
      if (answer === "stored") return signed;
      logger.warn("replacement not stored, so not sent", { batch: batch.id, txNonce: batch.txNonce, why: answer });
      if (answer === "fenced") leases.lose();
      return undefined;
    });
    if (attempt === undefined) return;
    logger.info("replacing", { ...attemptFields(batch, attempt), because, replaces: last.hash });
    await handOut(batch, attempt);
  }

  /**
   * Fills gaps that stay. A gap that is seen once may be a transaction that is just on its way, or an outdated answer.
   */
  async function fillGaps(held: Lease, batches: readonly BatchRow[], counts: BelievedCounts): Promise<void> {
    const nowMs = clock.now();
    // Below what is mined there is no gap, even if the node is behind.
    const seen = findGaps(Math.max(counts.latest, counts.known.mined), batches, counts.pending);
    for (const txNonce of gaps.keys()) if (!seen.includes(txNonce)) gaps.delete(txNonce);
    for (const txNonce of seen) {
      const sinceMs = gaps.get(txNonce) ?? nowMs;
      gaps.set(txNonce, sinceMs);
      if (nowMs - sinceMs < pace.pollMs * 2) continue;
      gaps.delete(txNonce);
      logger.warn("filling a txNonce gap with a no-op", { sender: key.sender, txNonce });
      const fees = offer(await readMarket(client), policy.fees);
      const stored = await exclusively(() => signAndStore(held, txNonce, () => noop(account.address), fees));
      if (stored !== undefined) await handOut(stored.batch, stored.attempt);
    }
  }

  return {
    address: account.address,
    paused: () => {
      if (closed) return "closed";
      if (holds() === undefined) return "no-lease";
      if (balance.isLow()) return "low-balance";
      if (txCounts.isFaulty()) return "node-fault";
      return clock.now() < failingUntilMs ? "failing" : undefined;
    },
    openBatches: () => open.size,
    lease: holds,
    keepLease: leases.keep,
    count: async () => void (await count()),
    send,
    tick,
    close: async () => {
      closed = true;
      await leases.release();
    },
  };
}

/** Keeps the failure of a promise that is awaited later from being an unhandled rejection. */
async function settle<T>(promise: Promise<T>): Promise<() => Promise<T>> {
  try {
    const value = await promise;
    return async () => value;
  } catch (error) {
    return async () => {
      throw error;
    };
  }
}
