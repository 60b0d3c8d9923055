import type { SignedAuthorization } from "../../authorization/types.ts";
import { type AuthorizationRow, isAuthorization, isCall, type Transition } from "../../journal/ports/payments.ts";
import type { PaymentOutcome } from "../outcome/results.ts";
import { type HeldAccounts, heldOf, payersOf, readStrikes, strike } from "../outcome/strikes.ts";
import { concludeUses, dropped, excluded, postponed } from "../outcome/transitions.ts";
import type { Sender } from "../sending/types.ts";
import { bySize } from "./bySize.ts";
import { dispatchCalls } from "./calls.ts";
import { composeBatch, prepareFor } from "./compose.ts";
import type { DispatchPort } from "./port.ts";
import type { PreparedSettlement } from "./prepare.ts";
import { screenBatches } from "./screen.ts";

/** The most payments that one round plans. The rest is planned in the next. */
const PER_ROUND = 2_000;
/**
 * How long a pick lasts if its engine dies. Other engines leave the payments alone until then, or until one has its
 * keys.
 */
const PICK_MS = 3_000;
/** How often a long round renews its pick. */
const KEEP_PICKED_MS = 1_000;
/** How many outcomes of refused payments are stored together. */
const APPLIED_AT_ONCE = 200;

/**
 * One round: picks what is due, plans it, pre-flights it and sends as much as the senders have room for. Payments that
 * cannot settle get their outcome; those that were not reached are given back to the queue.
 * @param most The most payments that the round may have.
 * @returns How many payments were picked, how many of them were sent or decided, and whether more may be due.
 */
export async function dispatch(
  port: DispatchPort,
  most = PER_ROUND,
): Promise<{ picked: number; done: number; hasMore: boolean }> {
  const { journal, client, clock, owner } = port;
  if (nextSender(port) === undefined) return { picked: 0, done: 0, hasMore: true };
  const nowMs = clock.now();
  const limit = Math.min(most, PER_ROUND);
  const query = { chainId: client.chain.id, owner, nowMs, untilMs: nowMs + PICK_MS, limit };
  const picked = await journal.pick(query);
  const left = new Set(picked.map(({ id }) => id));
  const over = new AbortController();
  if (left.size > 0) void keepPicked(port, left, over.signal);
  try {
    const calls = picked.filter(isCall);
    await dispatchCalls({ ...port, nextSender: () => nextSender(port) }, calls, left);
    const payments = picked.filter(isAuthorization);
    const strikes = await readStrikes(port, payersOf(payments));
    const held = heldOf(strikes, port.clock.now());
    const isHeld = (row: AuthorizationRow) => held.has(row.work.authorization.from.toLowerCase());
    // Payments for which their payer has no room go back to the queue, until one of that payer's payments is decided.
    const free = port.standing.within(
      payments.filter((row) => !isHeld(row)),
      strikes,
    );
    for (const { rows, maxItems } of bySize([...payments.filter(isHeld), ...free])) {
      await dispatchGroup(port, rows, { maxItems, held }, left);
    }
  } finally {
    over.abort();
    if (left.size > 0) await journal.putBack([...left], owner);
  }
  return { picked: picked.length, done: picked.length - left.size, hasMore: picked.length === limit };
}

/** Renews the pick until the round is over. If a pick lapses anyway, that only costs double work. */
async function keepPicked(
  { journal, clock, owner, isStopping }: DispatchPort,
  left: ReadonlySet<number>,
  over: AbortSignal,
): Promise<void> {
  for (;;) {
    await clock.sleep(KEEP_PICKED_MS, over);
    if (over.aborted || isStopping()) return;
    await journal.keepPicked([...left], owner, clock.now() + PICK_MS).catch(() => undefined);
  }
}

/** Whether any sender can take another batch. */
export function hasRoom(port: Pick<DispatchPort, "senders" | "policy">): boolean {
  return nextSender(port) !== undefined;
}

/** A sender with room, the least busy first. */
function nextSender({ senders, policy }: Pick<DispatchPort, "senders" | "policy">): Sender | undefined {
  return senders
    .filter((sender) => sender.paused() === undefined && sender.openBatches() < policy.maxInFlight)
    .sort((a, b) => a.openBatches() - b.openBatches())[0];
}

async function dispatchGroup(
  port: DispatchPort,
  rows: readonly AuthorizationRow[],
  { maxItems, held }: { readonly maxItems: number | undefined; readonly held: HeldAccounts },
  left: Set<number>,
): Promise<void> {
  const from = nextSender(port)?.address;
  if (rows.length === 0 || from === undefined || port.isStopping()) return;
  const byAuthorization = new Map<SignedAuthorization, AuthorizationRow>(
    rows.map((row) => [row.work.authorization, row]),
  );
  const rowOf = (authorization: SignedAuthorization) => byAuthorization.get(authorization);
  const prepared = await prepareFor(port, rows, { maxItems, held });
  const settleRest = async (transitions: readonly Transition[]): Promise<void> => {
    for (const { paymentId } of transitions) left.delete(paymentId);
    await port.apply(transitions);
  };
  await settleRest(await unplanned(port, prepared, held, rowOf));

  let refusals: { readonly row: AuthorizationRow; readonly outcome: PaymentOutcome }[] = [];
  const flush = async (): Promise<void> => {
    const some = refusals;
    refusals = [];
    await settleRest(await refusedTransitions(port, some, prepared));
  };
  try {
    for await (const screened of screenBatches(port.client, prepared, from)) {
      if (port.isStopping()) return;
      if (screened.status === "excluded") {
        const row = rowOf(screened.payment);
        if (row !== undefined) refusals.push({ row, outcome: screened.outcome });
        if (refusals.length >= APPLIED_AT_ONCE) await flush();
        continue;
      }
      const sender = nextSender(port);
      if (sender === undefined) return;
      const payments = screened.payments.map(rowOf).filter((row) => row !== undefined);
      const sent = await sender.send((batchId) => composeBatch(screened.batch, prepared.router, batchId, payments));
      if (sent) {
        port.standing.sent(payments);
        for (const { id } of payments) left.delete(id);
      }
      // The senders are full, so nothing more can go out in this round.
      if (nextSender(port) === undefined) return;
    }
  } finally {
    await flush();
  }
}

/**
 * Transitions of payments that the plan leaves out. If a payment is deferred, or its reason may pass, it stays queued
 * until later.
 */
async function unplanned(
  port: DispatchPort,
  prepared: PreparedSettlement,
  held: HeldAccounts,
  rowOf: (authorization: SignedAuthorization) => AuthorizationRow | undefined,
): Promise<Transition[]> {
  const transitions: Transition[] = [];
  const used: AuthorizationRow[] = [];
  for (const { payment, validFromSeconds } of prepared.plan.deferred) {
    const row = rowOf(prepared.original(payment));
    if (row !== undefined) transitions.push(postponed(row, Number(validFromSeconds) * 1000, "not valid yet"));
  }
  for (const { payment, reason } of prepared.plan.dropped) {
    const row = rowOf(prepared.original(payment));
    if (row === undefined) continue;
    if (reason.kind === "already-used") used.push(row);
    else transitions.push(dropped(port, row, reason, prepared.head, held));
  }
  return [...transitions, ...(await concludeUses(port, used, prepared.head))];
}

/** Transitions of payments that the pre-flight refused. Payers that burnt their gas get a strike. */
async function refusedTransitions(
  port: DispatchPort,
  refusals: readonly { readonly row: AuthorizationRow; readonly outcome: PaymentOutcome }[],
  { head }: PreparedSettlement,
): Promise<Transition[]> {
  const withReason = (wanted: string) =>
    refusals.filter(({ outcome }) => outcome.status === "rejected" && outcome.reason === wanted).map(({ row }) => row);
  const [burners, used] = [withReason("gas-capped"), withReason("already-used")];
  if (burners.length > 0) await strike(port, payersOf(burners), port.pace.strikeMs);
  const transitions = await concludeUses(port, used, head);
  for (const { row, outcome } of refusals) {
    if (used.includes(row)) continue;
    const transition = excluded(port, row, outcome, head);
    if (transition !== undefined) transitions.push(transition);
  }
  return transitions;
}
