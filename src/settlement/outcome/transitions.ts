import type { DropReason } from "../../batch/index.ts";
import { readHorizon } from "../../chain/horizon.ts";
import type { Evidence } from "../../journal/ports/evidence.ts";
import type { AuthorizationRow, PaymentRow, Transition } from "../../journal/ports/payments.ts";
import { isRefusal, REASONS, type RefusalReason, type RejectionReason } from "../../reasons.ts";
import type { SettlementPort } from "../port.ts";
import { concludeRefusal, concludeUse, quarantined, reasonOf, USE_UNKNOWN } from "./receipts/conclude.ts";
import { lookUpUses } from "./receipts/nonceUses.ts";
import { type PaymentOutcome, rejectionOf } from "./results.ts";
import type { HeldAccounts } from "./strikes.ts";

type RulesPort = Pick<SettlementPort, "clock" | "policy" | "pace">;
type Head = { readonly number: bigint; readonly timestamp: bigint };

/** How often the transaction behind a used nonce is searched before the payment ends without it. */
const MAX_SEARCHES = 8;
/**
 * How often a payment is put off because it was not attempted, as when no node answers its pre-flight, before it is set
 * aside.
 */
const MAX_PREFLIGHTS = 4;
const PREFLIGHT_FAILED = "preflight-failed";
const LONGEST_DELAY_MS = 600_000;

/**
 * When to look again at a payment that has to wait for something. The longer it waits, the less often it is looked at,
 * so that a payment that waits for months costs the node and the journal little. It is looked at once more before its
 * deadline.
 */
export function laterMs(row: Pick<PaymentRow, "acceptedAtMs" | "deadlineSeconds">, nowMs: number, firstMs: number) {
  const delay = Math.min(LONGEST_DELAY_MS, Math.max(firstMs, (nowMs - row.acceptedAtMs) / 4));
  const last = Number(row.deadlineSeconds) * 1000 - 15_000;
  return Math.ceil(last > nowMs + firstMs && last < nowMs + delay ? last : nowMs + delay);
}

/**
 * Keeps a payment in the queue until `nextTryAtMs`. Its reason is kept by default, because it says something about the
 * next try.
 */
export function postponed(
  row: PaymentRow,
  nextTryAtMs: number,
  why: string,
  because: Pick<Transition, "reason" | "reasonCount"> = reasonOf(row),
): Transition {
  const evidence: Evidence = { kind: "returned", why, transactionHash: undefined };
  return { paymentId: row.id, from: ["queued"], to: "queued", evidence, nextTryAtMs, ...because };
}

/** How often in a row a payment is queued for this reason, this time included. */
function timesFor({ reason, reasonCount }: PaymentRow, wanted: string): number {
  return 1 + (reason === wanted ? (reasonCount ?? 0) : 0);
}

/** Provisionally expired: final once `validBefore` has passed at a final block with the nonce unused. */
function expired(row: PaymentRow, head: Head): Transition {
  const evidence: Evidence = {
    kind: "deadline",
    blockNumber: head.number,
    blockTimestamp: head.timestamp,
    final: false,
  };
  return { paymentId: row.id, from: ["queued"], to: "expired", reason: "expired", evidence };
}

/**
 * Like {@link expired}, but not by the chain's time alone: a node with a wrong time would end good payments. A payment
 * waits until this clock says the same.
 */
function passed(port: RulesPort, row: PaymentRow, head: Head): Transition {
  const nowMs = port.clock.now();
  const passedAtMs = Number(row.deadlineSeconds) * 1000;
  if (nowMs >= passedAtMs) return expired(row, head);
  const againMs = Math.min(passedAtMs, laterMs(row, nowMs, port.pace.retryRefusedAfterMs));
  return postponed(row, againMs, "expired by the chain's time, and not yet by this clock");
}

/** The transition of a payment that the plan leaves out for any reason but a used nonce (see {@link concludeUses}). */
export function dropped(
  port: RulesPort,
  row: AuthorizationRow,
  reason: Exclude<DropReason, { readonly kind: "already-used" }>,
  head: Head,
  held: HeldAccounts,
): Transition {
  const nowMs = port.clock.now();
  const waitMs = port.pace.retryRefusedAfterMs;
  const rejection = rejectionOf(reason);
  switch (reason.kind) {
    case "expires-too-soon":
      // It is too late to send and too early to call it expired. Look again when the deadline has passed.
      return postponed(row, Number(reason.validBefore) * 1000 + 1000, "too late to be mined for sure");
    case "payer-held":
      return postponed(row, held.get(row.work.authorization.from.toLowerCase()) ?? nowMs + waitMs, rejection.message);
    default:
      return turnedDown(port, row, rejection, head);
  }
}

/** The transition of a payment that was turned down, to the state that the table of reasons gives. */
function turnedDown(
  port: RulesPort,
  row: PaymentRow,
  { reason, message }: { readonly reason: RejectionReason; readonly message: string },
  head: Head,
): Transition {
  const nowMs = port.clock.now();
  switch (REASONS[reason].state) {
    case "queued":
      return postponed(row, laterMs(row, nowMs, port.pace.retryRefusedAfterMs), message);
    case "expired":
      // No clock is needed to know that no second lies between its bounds.
      return reason === "never-valid" ? expired(row, head) : passed(port, row, head);
    default:
      if (!isRefusal(reason)) return rejected(row, reason, message, head);
      return { ...fromQueue(row), ...refused(port, row, reason, message, head.number) };
  }
}

function rejected(
  row: PaymentRow,
  reason: RejectionReason,
  message: string,
  { number: blockNumber }: Head,
): Transition {
  const evidence: Evidence = { kind: "refusal", reason, message, transactionHash: undefined, blockNumber, data: "0x" };
  return { ...fromQueue(row), to: "rejected", reason, evidence };
}

/**
 * The transition after a pre-flight, for any outcome but a used nonce. Undefined if the outcome needs no transition.
 */
export function excluded(
  port: RulesPort,
  row: PaymentRow,
  outcome: PaymentOutcome,
  head: Head,
): Transition | undefined {
  const nowMs = port.clock.now();
  const waitMs = port.pace.retryRefusedAfterMs;
  if (outcome.status === "deferred") return postponed(row, Number(outcome.validFromSeconds) * 1000, "not valid yet");
  if (outcome.status === "not-attempted") {
    const times = timesFor(row, PREFLIGHT_FAILED);
    if (times >= MAX_PREFLIGHTS)
      return { ...fromQueue(row), ...quarantined(outcome.message, { blockNumber: head.number }) };
    const because = { reason: PREFLIGHT_FAILED, reasonCount: times };
    return postponed(row, laterMs(row, nowMs, waitMs), outcome.message, because);
  }
  if (outcome.status !== "rejected") return undefined;
  if (outcome.reason === "payer-held") return postponed(row, nowMs + port.pace.strikeMs, outcome.message);
  return turnedDown(port, row, outcome, head);
}

/**
 * The transitions of queued payments whose nonce is used. A use counts once it is `lossConfirmations` deep, or final.
 * Until then the payment waits. It also waits while the transaction is not found, for up to {@link MAX_SEARCHES}
 * searches.
 */
export async function concludeUses(
  port: SettlementPort,
  rows: readonly AuthorizationRow[],
  head: Head,
): Promise<Transition[]> {
  if (rows.length === 0) return [];
  const [uses, horizon] = await Promise.all([lookUpUses(port.client, rows), readHorizon(port.client)]);
  const deep = head.number - BigInt(port.policy.lossConfirmations - 1);
  const counts = (block: bigint) => block <= deep || (horizon !== undefined && block <= horizon.final);
  const nowMs = port.clock.now();
  return rows.map((row) => {
    const use = uses.get(row.id);
    if (use !== undefined && counts(use.blockNumber)) {
      return { ...fromQueue(row), ...concludeUse(use, row, head.number) };
    }
    if (use !== undefined)
      return postponed(row, nowMs + port.pace.pollMs * 2, "its nonce is used, not deep enough yet");
    const times = timesFor(row, USE_UNKNOWN);
    if (times >= MAX_SEARCHES) return { ...fromQueue(row), ...concludeUse(undefined, row, head.number) };
    const nextTryAtMs = nowMs + port.pace.pollMs * 2 ** times;
    const because = { reason: USE_UNKNOWN, reasonCount: times };
    return postponed(row, nextTryAtMs, "its nonce is used, but it is not known yet by which transaction", because);
  });
}

/** What follows from a refusal, with the operator's policy of trying again. */
function refused(port: RulesPort, row: PaymentRow, reason: RefusalReason, message: string, blockNumber: bigint) {
  const nowMs = port.clock.now();
  const delayMs = laterMs(row, nowMs, port.pace.retryRefusedAfterMs) - nowMs;
  const policy = { nowMs, retryRefused: port.policy.retryRefused, retryRefusedAfterMs: delayMs };
  return concludeRefusal(row, { reason, message, data: "0x" }, { blockNumber }, policy);
}

function fromQueue(row: PaymentRow) {
  return { paymentId: row.id, from: ["queued"] as const };
}
