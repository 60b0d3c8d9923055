import { ask } from "../chain/ask.ts";
import { decodeRefusal } from "../router/index.ts";
import type { DispatchPort } from "./dispatch.ts";
import { bySize, postponed } from "./outcomes.ts";
import { REVERTED, revertedReason } from "./sending/conclude.ts";
import type { Sender } from "./sending/types.ts";
import { composeCalls, isShareable, packCalls, screenCalls } from "./sharedCalls.ts";
import type { PaymentRow, Transition } from "./store/types.ts";

type CallsPort = DispatchPort & {
  /** A sender with room. */
  readonly nextSender: () => Sender | undefined;
};

/**
 * Sends calls: those that may share a transaction together, after a pre-flight of it, the others one by one. What is decided
 * or sent leaves `left`.
 */
export async function dispatchCalls(port: CallsPort, rows: readonly PaymentRow[], left: Set<number>): Promise<void> {
  const nowMs = port.clock.now();
  const isLate = ({ deadlineSeconds }: PaymentRow) => deadlineSeconds <= BigInt(Math.floor(nowMs / 1000));
  const conclude = async (transitions: readonly Transition[]): Promise<void> => {
    for (const { paymentId } of transitions) left.delete(paymentId);
    await port.apply(transitions);
  };
  const send = async (payments: readonly PaymentRow[]): Promise<void> => {
    const sender = port.isStopping() || payments.length === 0 ? undefined : port.nextSender();
    if (sender === undefined || !(await sender.send(() => composeCalls(payments)))) return;
    for (const { id } of payments) left.delete(id);
  };

  await conclude(rows.filter(isLate).map(late));
  const due = rows.filter((row) => !isLate(row));
  for (const row of due) if (!isShareable(row)) await send([row]);
  for (const { rows: group, maxItems } of bySize(due.filter(isShareable))) {
    for (const pack of packCalls(group, port.policy.limits, maxItems)) {
      const from = port.isStopping() ? undefined : port.nextSender()?.address;
      if (from === undefined) return;
      const { good, transitions } = await screen(port, from, pack, nowMs);
      await conclude(transitions);
      await send(good);
    }
  }
}

/** What of a pack can be sent, and what becomes of the rest. */
async function screen(port: CallsPort, from: Sender["address"], pack: readonly PaymentRow[], nowMs: number) {
  const screened = await screenCalls(port.client, from, pack);
  if (screened === undefined && pack.length > 1) {
    // It would fail as a whole, or there is no Multicall3: half as many next time, until each goes alone.
    return { good: [], transitions: pack.map((row) => inPacksOf(pack.length, row, nowMs)) };
  }
  const refused = (screened ?? []).flatMap(({ row, reason }) => (reason === undefined ? [] : [{ row, reason }]));
  if (refused.length === 0) return { good: pack, transitions: [] };
  const blockNumber = await ask("its newest block", port.client.getBlockNumber());
  const transitions = refused.map(({ row, reason }): Transition => {
    // Silence means that the gas ran out, which others may have used: it has its say alone.
    if (reason === "0x" && pack.length > 1) return inPacksOf(1, row, nowMs);
    const { message, data } = decodeRefusal(reason);
    const evidence = {
      kind: "refusal",
      reason: REVERTED,
      message,
      data,
      transactionHash: undefined,
      blockNumber,
    } as const;
    return { paymentId: row.id, from: ["queued"], to: "rejected", reason: REVERTED, evidence };
  });
  return { good: pack.filter((row) => !refused.some((one) => one.row === row)), transitions };
}

function inPacksOf(items: number, row: PaymentRow, nowMs: number): Transition {
  return postponed(row, nowMs, "a transaction with it would fail as a whole", revertedReason(items));
}

function late({ id }: PaymentRow): Transition {
  const evidence = { kind: "request", by: "deadline" } as const;
  return { paymentId: id, from: ["queued"], to: "expired", reason: "expired", evidence };
}
