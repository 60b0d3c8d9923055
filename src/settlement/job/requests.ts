import { type Clock, secondsNow, systemClock } from "../../clock.ts";
import type { Journal, PaymentRow, Transition } from "../../journal/index.ts";
import { everyRow } from "../../journal/pages.ts";

/** A request for one payment. */
export type PaymentRequest = {
  /** The payment's number in the journal. */
  readonly id: number;
  /** Who asks, for the payment's history. */
  readonly by: string;
  readonly clock?: Clock;
};

/** A request for all payments that were rejected, or for those with one reason. */
export type RejectedRequest = Omit<PaymentRequest, "id"> & { readonly reason?: string | undefined };

/**
 * What became of a request for another try: `requeued`; `not-retryable`, because of its state; `expired`, because its
 * `validBefore` has passed; `changed`, because somebody else changed it at the same moment.
 */
export type RetryAnswer =
  | { readonly status: "requeued" | "not-retryable" | "expired" | "changed"; readonly payment: PaymentRow }
  | { readonly status: "unknown" };

/**
 * What became of a request to cancel: `cancelled`; `signed`, because a transaction that carries it may be mined at any
 * moment; `decided`, because it has its outcome; `changed`, because somebody else changed it at the same moment.
 */
export type CancelAnswer =
  | { readonly status: "cancelled" | "signed" | "decided" | "changed"; readonly payment: PaymentRow }
  | { readonly status: "unknown" };

/**
 * Puts a payment that was rejected, or taken out of the queue, back into it. This only changes the journal: an engine
 * that runs on it takes the payment up, otherwise the next one does. A payment that its payer cancelled at the token
 * stays cancelled.
 * @throws JournalError where the journal cannot be used.
 */
export async function retryPayment(journal: Journal, request: PaymentRequest): Promise<RetryAnswer> {
  const { clock = systemClock } = request;
  const payment = await journal.payment(request.id);
  if (payment === undefined) return { status: "unknown" };
  if (!mayRetry(payment)) return { status: "not-retryable", payment };
  if (payment.deadlineSeconds <= secondsNow(clock)) return { status: "expired", payment };
  const [moved] = await journal.transition([toQueue(payment, request.by)], clock.now());
  return moved === undefined ? { status: "changed", payment } : { status: "requeued", payment: moved };
}

/**
 * Puts every rejected payment that is still valid back into the queue.
 * @returns How many went back.
 * @throws JournalError where the journal cannot be used.
 */
export async function retryRejected(journal: Journal, request: RejectedRequest): Promise<number> {
  const { clock = systemClock, by, reason } = request;
  let requeued = 0;
  for await (const rows of everyRow((page) => journal.list({ states: ["rejected"], ...page }))) {
    const now = secondsNow(clock);
    const wanted = rows.filter((row) => row.deadlineSeconds > now && (reason === undefined || row.reason === reason));
    const transitions = wanted.map((row) => toQueue(row, by));
    requeued += (await journal.transition(transitions, clock.now())).length;
  }
  return requeued;
}

/**
 * Takes a payment out of the queue. This only changes the journal: the payer's authorization stays valid until its
 * `validBefore`, and only the payer can cancel it at the token.
 * @throws JournalError where the journal cannot be used.
 */
export async function cancelPayment(journal: Journal, request: PaymentRequest): Promise<CancelAnswer> {
  const { id, by, clock = systemClock } = request;
  const evidence = { kind: "request", by } as const;
  const [moved] = await journal.transition(
    [{ paymentId: id, from: ["queued"], to: "cancelled", evidence }],
    clock.now(),
  );
  if (moved !== undefined) return { status: "cancelled", payment: moved };
  const payment = await journal.payment(id);
  if (payment === undefined) return { status: "unknown" };
  switch (payment.state) {
    case "batched":
    case "submitted":
      return { status: "signed", payment };
    case "queued":
      return { status: "changed", payment };
    default:
      return { status: "decided", payment };
  }
}

function mayRetry({ state, evidence }: PaymentRow): boolean {
  return state === "rejected" || (state === "cancelled" && evidence.kind === "request");
}

function toQueue({ id, state }: PaymentRow, by: string): Transition {
  return { paymentId: id, from: [state], to: "queued", evidence: { kind: "request", by } };
}
