import type { TransactionReceipt } from "viem";
import type { ChainClient } from "../../../chain/client.ts";
import { ChainMismatchError, ChainUnavailableError } from "../../../chain/errors.ts";
import { showsUse } from "../../../chain/logs/uses.ts";
import { preflightAuthorization } from "../../../chain/sending/preflight.ts";
import type { Attempt } from "../../../journal/ports/batches.ts";
import type { Evidence } from "../../../journal/ports/evidence.ts";
import {
  type AuthorizationRow,
  isAuthorization,
  type PaymentRow,
  type Transition,
} from "../../../journal/ports/payments.ts";
import {
  batchReverted,
  type ConclusionPolicy,
  concludeRefusal,
  MAX_TRIES,
  quarantined,
  usedElsewhere,
  withUses,
} from "./conclude.ts";
import { lookUpUses, readUsedIdentities } from "./nonceUses.ts";

/** A receipt that was read, with the attempt that it is of and the payments that this carried. */
export type ReadReceipt = {
  readonly receipt: TransactionReceipt;
  readonly attempt: Attempt;
  readonly payments: readonly PaymentRow[];
  readonly policy: ConclusionPolicy;
};

/**
 * Looks up what a receipt does not say: which transaction used a nonce, and why the token reverted a direct transfer.
 * @throws ChainUnavailableError if the node does not answer, or contradicts itself.
 */
export async function completeTransitions(
  client: ChainClient,
  fromReceipt: readonly Transition[],
  read: ReadReceipt,
): Promise<readonly Transition[]> {
  const { payments, attempt, receipt } = read;
  const byId = new Map(payments.map((payment) => [payment.id, payment]));
  const checked = await contradictRefusals(client, fromReceipt, byId);
  const transitions: Transition[] = [];
  for (const transition of checked) {
    const payment = byId.get(transition.paymentId);
    const isUnexplained = attempt.kind === "direct" && transition.reason === "refused";
    if (!isUnexplained || payment === undefined || !isAuthorization(payment)) transitions.push(transition);
    else transitions.push(await explainDirect(client, transition, payment, read));
  }
  const used = usedElsewhere(transitions, payments);
  if (used.length === 0) return transitions;
  const uses = await lookUpUses(client, used);
  for (const payment of used) {
    const isHere = uses.get(payment.id)?.transactionHash === receipt.transactionHash;
    if (!isHere || showsUse(receipt, payment.work.authorization)) continue;
    throw new ChainUnavailableError(
      `The receipt of ${receipt.transactionHash} lacks a log that the node has found in it.`,
      { hint: "Use another node: this one contradicts itself." },
    );
  }
  return withUses(transitions, payments, uses, receipt.blockNumber);
}

/**
 * Believes a refusal only while the nonce is free. If the nonce is used, the money moved or the authorization was
 * cancelled, whatever the receipt said.
 */
async function contradictRefusals(
  client: ChainClient,
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
    contradicted.has(transition.paymentId) ? { ...transition, to: "already-used", reason: "already-used" } : transition,
  );
}

/** Finds out why a direct transfer reverted. A receipt has no reason, so the token is asked again. */
async function explainDirect(
  client: ChainClient,
  { reason: _, reasonCount: __, nextTryAtMs: ___, ...base }: Transition,
  payment: AuthorizationRow,
  { attempt, receipt, policy }: ReadReceipt,
): Promise<Transition> {
  const where = { hash: attempt.hash, blockNumber: receipt.blockNumber };
  if (receipt.gasUsed >= attempt.gas - attempt.gas / 64n) {
    const refusal = { reason: "gas-capped", message: "used up the gas of its transaction", data: "0x" } as const;
    return { ...base, ...concludeRefusal(payment, refusal, where, policy) };
  }
  const refusal = await preflightAuthorization(client, payment.work.authorization, { gasAllowance: attempt.gas });
  if (refusal !== undefined) return { ...base, ...concludeRefusal(payment, refusal, where, policy) };
  // It would settle now, so whatever was in its way has passed. The number of tries is still limited.
  if (payment.tries >= MAX_TRIES) {
    return { ...base, ...quarantined("it reverts each time, and never in a pre-flight", where) };
  }
  const why = "it reverted, and would settle now";
  const evidence: Evidence = { kind: "returned", why, transactionHash: where.hash };
  return { ...base, to: "queued", ...batchReverted(1), evidence };
}
