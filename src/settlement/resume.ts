import type { SignedAuthorization } from "../authorization/types.ts";
import type { ChainClient } from "../chain/client.ts";
import { awaitInclusion, broadcast, findInclusion } from "../chain/submit.ts";
import type { SentTransaction } from "./journal.ts";
import type { PaymentOutcome } from "./outcome.ts";
import { type MinedTransaction, readSettlement } from "./read.ts";

/** How long a transaction is waited for unless a job says otherwise. */
export const INCLUSION_TIMEOUT_MS = 120_000;

/**
 * Takes up the transactions that earlier runs signed: reads what became of them, and sends the same bytes again where
 * that is not decided.
 * @param payments Those of the job, by identity.
 * @returns Outcomes of the payments that need no other transaction: settled before, or still pending. What was refused or
 * not reached then is not among them, because it may be tried again.
 */
export async function resume(
  client: ChainClient,
  payments: ReadonlyMap<string, SignedAuthorization>,
  options: { readonly journal: { readonly sent: readonly SentTransaction[] }; readonly inclusionTimeoutMs?: number },
): Promise<{ outcomes: Map<SignedAuthorization, PaymentOutcome>; transactions: MinedTransaction[] }> {
  const outcomes = new Map<SignedAuthorization, PaymentOutcome>();
  const transactions: MinedTransaction[] = [];

  for (const sent of options.journal.sent) {
    const carried = sent.ids.map((id) => payments.get(id)).filter((payment) => payment !== undefined);
    if (sent.chainId !== client.chain.id || carried.length === 0) continue;

    let inclusion = await findInclusion(client, sent);
    const wasOpen = inclusion.status === "unknown";
    if (wasOpen) {
      // Refused now does not mean refused then: whoever has the bytes may still include them.
      await broadcast(client, sent).catch(() => undefined);
      inclusion = await awaitInclusion(client, sent, { timeoutMs: options.inclusionTimeoutMs ?? INCLUSION_TIMEOUT_MS });
    }
    if (inclusion.status === "unknown") {
      for (const payment of carried) outcomes.set(payment, { status: "pending", transactionHash: sent.hash });
    }
    if (inclusion.status !== "mined") continue;

    const read = readSettlement(sent, inclusion.receipt, carried, "before");
    if (wasOpen) transactions.push({ ...read.transaction, payments: sent.ids.length });
    for (const [index, payment] of carried.entries()) {
      const outcome = read.outcomes[index];
      // The job may not hold every payment of that transaction, so the shares of its gas are not known here.
      if (outcome?.status === "settled") outcomes.set(payment, { ...outcome, gasShare: undefined });
    }
  }
  return { outcomes, transactions };
}
