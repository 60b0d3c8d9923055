import type { Hex } from "viem";
import { ask } from "../../chain/ask.ts";
import { ChainUnavailableError } from "../../chain/errors.ts";
import { readHead } from "../../chain/facts/facts.ts";
import { preflightCall } from "../../chain/sending/preflightCall.ts";
import type { CallRow, Transition } from "../../journal/ports/payments.ts";
import { decodeRefusal } from "../../router/index.ts";
import { signersOf } from "../outcome/receipts/callOutcomes.ts";
import { batchReverted, REVERTED } from "../outcome/receipts/conclude.ts";
import { readStrikes } from "../outcome/strikes.ts";
import { excluded, postponed } from "../outcome/transitions.ts";
import type { Sender } from "../sending/types.ts";
import { bySize } from "./bySize.ts";
import type { DispatchPort } from "./port.ts";
import { composeCalls, isShareable, packCalls, screenCalls } from "./sharedCalls.ts";

/** The most calls with strangers among their signers that share a transaction: one hostile call can burn the gas of all. */
const MAX_SHARED_STRANGERS = 8;

type CallsPort = DispatchPort & {
  /** A sender with room. */
  readonly nextSender: () => Sender | undefined;
};

/**
 * Sends calls: those that may share a transaction go together, the others one by one. Each transaction has a pre-flight
 * first. Calls of signers with a strike go alone, and wait while the strike holds them back. Calls that are decided or
 * sent are removed from `left`.
 */
export async function dispatchCalls(port: CallsPort, rows: readonly CallRow[], left: Set<number>): Promise<void> {
  const nowMs = port.clock.now();
  const isLate = ({ deadlineSeconds }: CallRow) => deadlineSeconds <= BigInt(Math.floor(nowMs / 1000));
  const conclude = async (transitions: readonly Transition[]): Promise<void> => {
    for (const { paymentId } of transitions) left.delete(paymentId);
    await port.apply(transitions);
  };
  const send = async (payments: readonly CallRow[]): Promise<void> => {
    const sender = port.isStopping() || payments.length === 0 ? undefined : port.nextSender();
    if (sender === undefined || !(await sender.send(() => composeCalls(payments)))) return;
    for (const { id } of payments) left.delete(id);
  };
  const sendPack = async (pack: readonly CallRow[]): Promise<boolean> => {
    const from = port.isStopping() ? undefined : port.nextSender()?.address;
    if (from === undefined) return false;
    const { good, transitions } = await screen(port, from, pack, nowMs);
    await conclude(transitions);
    await send(good);
    return true;
  };

  const strikes = await readStrikes(port, rows.flatMap(signersOf));
  const strikesOf = (row: CallRow) => signersOf(row).flatMap((signer) => strikes.get(signer.toLowerCase()) ?? []);
  const heldUntil = (row: CallRow) => Math.max(0, ...strikesOf(row).map(({ untilMs }) => untilMs));
  const isHeld = (row: CallRow) => heldUntil(row) > nowMs;
  const late = rows.filter(isLate);
  const held = rows.filter((row) => !isLate(row) && isHeld(row));
  await conclude([...late.map(tooLate), ...held.map((row) => heldBack(row, heldUntil(row)))]);

  const due = rows.filter((row) => !isLate(row) && !isHeld(row));
  const isAlone = (row: CallRow) => !isShareable(row) || strikesOf(row).length > 0;
  for (const row of due) if (isAlone(row) && !(await sendPack([row]))) return;
  for (const { rows: group, maxItems: items } of bySize(due.filter((row) => !isAlone(row)))) {
    for (const pack of packCalls(group, port.policy.limits, { items, strangers: MAX_SHARED_STRANGERS }))
      if (!(await sendPack(pack))) return;
  }
}

/** Finds out which calls of a pack can be sent, and the transitions of the rest. */
async function screen(port: CallsPort, from: Sender["address"], pack: readonly CallRow[], nowMs: number) {
  const [only] = pack;
  if (pack.length === 1 && only !== undefined) return screenAlone(port, from, only);
  const screened = await screenCalls(port.client, from, pack);
  if (screened === undefined) {
    // The pack would fail as a whole, or there is no Multicall3. Half as many go together next time, until each goes
    // alone.
    return { good: [], transitions: pack.map((row) => inPacksOf(pack.length, row, nowMs)) };
  }
  const refused = screened.flatMap(({ row, reason }) => (reason === undefined ? [] : [{ row, reason }]));
  if (refused.length === 0) return { good: pack, transitions: [] };
  const blockNumber = await ask("its newest block", port.client.getBlockNumber());
  // An empty reason means that the gas ran out, and other calls may have used it. So the call is tried alone.
  const transitions = refused.map(({ row, reason }) =>
    reason === "0x" ? inPacksOf(1, row, nowMs) : rejected(row, reason, blockNumber),
  );
  return { good: pack.filter((row) => !refused.some((one) => one.row === row)), transitions };
}

/** Pre-flights a call that goes alone, from its sender and with exactly the gas of its transaction. */
async function screenAlone(port: CallsPort, from: Sender["address"], row: CallRow) {
  const { to, data, gas } = composeCalls([row]);
  try {
    const reason = await preflightCall(port.client, { from, to, data, gas });
    if (reason === undefined) return { good: [row], transitions: [] };
    const blockNumber = await ask("its newest block", port.client.getBlockNumber());
    return { good: [], transitions: [rejected(row, reason, blockNumber)] };
  } catch (error) {
    if (!(error instanceof ChainUnavailableError)) throw error;
    // If the node still answers something else, its problem is this call, not the others.
    const head = await readHead(port.client);
    const transition = excluded(port, row, { status: "not-attempted", message: error.shortMessage }, head);
    return { good: [], transitions: transition === undefined ? [] : [transition] };
  }
}

function rejected(row: CallRow, reason: Hex, blockNumber: bigint): Transition {
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
}

function heldBack(row: CallRow, untilMs: number): Transition {
  const afterDeadlineMs = Number(row.deadlineSeconds) * 1000 + 1;
  return postponed(
    row,
    Math.min(untilMs, afterDeadlineMs),
    "a signer of it is held back: what it signed cost gas before",
  );
}

function inPacksOf(items: number, row: CallRow, nowMs: number): Transition {
  return postponed(row, nowMs, "a transaction with it would fail as a whole", batchReverted(items));
}

function tooLate({ id }: CallRow): Transition {
  const evidence = { kind: "request", by: "deadline" } as const;
  return { paymentId: id, from: ["queued"], to: "expired", reason: "expired", evidence };
}
