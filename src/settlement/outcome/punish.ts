import type { Address, TransactionReceipt } from "viem";
import type { Attempt } from "../../journal/ports/batches.ts";
import { isCall, type PaymentRow, type Transition } from "../../journal/ports/payments.ts";
import type { SettlementPort } from "../port.ts";
import { isUsedUp, signersOf } from "./receipts/callOutcomes.ts";
import { REVERTED } from "./receipts/conclude.ts";
import { strike } from "./strikes.ts";

/**
 * A payer who moved the money away waits for this fraction of the time of one whose code turned hostile, because they
 * may just have too little.
 */
const MILDER = 4;

/**
 * Notes strikes against those who cost gas in a mined transaction that had passed its pre-flight: payers whose code
 * turned hostile, payers who moved the money away or cancelled, and signers of calls that failed. If calls failed
 * together, nothing shows whose fault that is. Then all their signers are suspects: they are not held back, but their
 * calls go alone from then on.
 */
export async function punish(
  port: SettlementPort,
  {
    transitions,
    payments,
    attempt,
    receipt,
  }: {
    readonly transitions: readonly Transition[];
    readonly payments: readonly PaymentRow[];
    readonly attempt: Attempt;
    readonly receipt: TransactionReceipt;
  },
): Promise<void> {
  const byId = new Map(payments.map((payment) => [payment.id, payment]));
  const payers = (is: (transition: Transition) => boolean): Address[] =>
    transitions.filter(is).flatMap(({ paymentId }) => {
      const row = byId.get(paymentId);
      return row?.work.kind === "authorization" ? [row.work.authorization.from] : [];
    });
  const { strikeMs } = port.pace;
  await strike(port, payers(isHostile), strikeMs);
  await strike(port, payers(isDrained), strikeMs / MILDER);
  if (attempt.kind !== "call") return;

  const isShared = attempt.router !== undefined;
  const isWhole = receipt.status !== "success" || isUsedUp(receipt.gasUsed, attempt.gas);
  if (isShared && isWhole) {
    const carried = attempt.paymentIds.flatMap((id) => byId.get(id) ?? []);
    await strike(port, carried.filter(isCall).flatMap(signersOf), 0);
    return;
  }
  const failed = transitions.filter(({ to, reason }) => to === "rejected" && reason === REVERTED);
  await strike(
    port,
    failed.flatMap(({ paymentId }) => {
      const row = byId.get(paymentId);
      return row === undefined || !isCall(row) ? [] : signersOf(row);
    }),
    strikeMs,
  );
}

/** The signature was good when the payment was accepted, and an account without code cannot take it back. */
function isHostile({ reason }: Transition): boolean {
  return reason === "gas-capped" || reason === "bad-signature";
}

/**
 * The payer has spent the money elsewhere, cancelled, or used the nonce for other terms. If somebody else settled the
 * same terms, that does not count, because anybody can do that.
 */
function isDrained({ reason, evidence }: Transition): boolean {
  if (evidence.kind === "nonce-use") return evidence.use === "cancelled" || evidence.use === "used-by-variant";
  return reason === "underfunded";
}
