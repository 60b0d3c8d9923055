import type { SignedAuthorization } from "../authorization/types.ts";
import type { ChainClient } from "../chain/client.ts";
import { ChainUnavailableError, TransactionRefusedError } from "../chain/errors.ts";
import { awaitInclusion, broadcast, findInclusion, type Inclusion, nextTxNonce } from "../chain/submit.ts";
import type { SentTransaction } from "./journal.ts";
import type { PaymentOutcome } from "./outcome.ts";
import { type MinedTransaction, readSettlement } from "./read.ts";

/** How long a transaction is waited for unless a job says otherwise. */
export const INCLUSION_TIMEOUT_MS = 120_000;

/** What is known of the transactions of earlier runs. */
export type Resumed = {
  /** Of the payments that need no other transaction: settled before, or still pending. */
  readonly outcomes: ReadonlyMap<SignedAuthorization, PaymentOutcome>;
  /** The transactions that were still open and are mined now. */
  readonly transactions: readonly MinedTransaction[];
  /** That the node did not answer for some of them, whose payments are therefore pending. */
  readonly stopped: ChainUnavailableError | undefined;
};

const LOOKUPS_AT_ONCE = 20;

/**
 * Takes up the transactions that earlier runs signed: reads what became of them, and sends the same bytes again where
 * that is not decided. What was refused or not reached then, and what the node will not take now, may be tried again, so
 * it has no outcome here: a new transaction takes the same txNonce, and a payment's own nonce works once.
 * @param payments Those of the job, by identity.
 */
export async function resume(
  client: ChainClient,
  payments: ReadonlyMap<string, SignedAuthorization>,
  options: { readonly journal: { readonly sent: readonly SentTransaction[] }; readonly inclusionTimeoutMs?: number },
): Promise<Resumed> {
  const outcomes = new Map<SignedAuthorization, PaymentOutcome>();
  const transactions: MinedTransaction[] = [];
  let stopped: ChainUnavailableError | undefined;
  const carriedBy = ({ ids }: SentTransaction) => ids.map((id) => payments.get(id)).filter((one) => one !== undefined);
  const concerned = options.journal.sent.filter((sent) => {
    return sent.chainId === client.chain.id && sent.ids.some((id) => payments.has(id));
  });

  const open: SentTransaction[] = [];
  for (let i = 0; i < concerned.length; i += LOOKUPS_AT_ONCE) {
    const group = concerned.slice(i, i + LOOKUPS_AT_ONCE);
    const inclusions = await Promise.all(group.map((sent) => attempted(findInclusion(client, sent))));
    for (const [index, sent] of group.entries()) {
      const inclusion = inclusions[index];
      if (inclusion instanceof ChainUnavailableError) unknown(sent, inclusion);
      else if (inclusion?.status === "unknown") open.push(sent);
      else if (inclusion !== undefined) decided(sent, inclusion, false);
    }
  }

  const waiting: SentTransaction[] = [];
  for (const sent of open) {
    const accepted = await attempted(sendAgain(client, sent));
    if (accepted instanceof ChainUnavailableError) unknown(sent, accepted);
    else if (accepted) waiting.push(sent);
  }
  const end = Date.now() + (options.inclusionTimeoutMs ?? INCLUSION_TIMEOUT_MS);
  for (const sent of waiting) {
    const inclusion = await awaitInclusion(client, sent, { timeoutMs: Math.max(0, end - Date.now()) });
    if (inclusion.status === "unknown") unknown(sent, undefined);
    else decided(sent, inclusion, true);
  }
  return { outcomes, transactions, stopped };

  function unknown(sent: SentTransaction, error: ChainUnavailableError | undefined): void {
    stopped ??= error;
    for (const payment of carriedBy(sent)) {
      if (!outcomes.has(payment)) outcomes.set(payment, { status: "pending", transactionHash: sent.hash });
    }
  }

  function decided(sent: SentTransaction, inclusion: Inclusion, wasOpen: boolean): void {
    if (inclusion.status !== "mined") return;
    const carried = carriedBy(sent);
    const read = readSettlement(sent, inclusion.receipt, carried, "before");
    if (wasOpen) transactions.push({ ...read.transaction, payments: sent.ids.length });
    for (const [index, payment] of carried.entries()) {
      const outcome = read.outcomes[index];
      // The job may not hold every payment of that transaction, so the shares of its gas are not known here.
      if (outcome?.status === "settled") outcomes.set(payment, { ...outcome, gasShare: undefined });
    }
  }
}

/**
 * Sends the same bytes again. False where the node certainly does not hold them then: it refuses them, or transactions
 * before them are missing (a chain that began anew, for one), so that they would wait for ever.
 */
async function sendAgain(client: ChainClient, sent: SentTransaction): Promise<boolean> {
  if ((await nextTxNonce(client, sent.from)) < sent.txNonce) return false;
  try {
    await broadcast(client, sent);
    return true;
  } catch (error) {
    if (error instanceof TransactionRefusedError) return false;
    throw error;
  }
}

async function attempted<Answer>(answer: Promise<Answer>): Promise<Answer | ChainUnavailableError> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ChainUnavailableError) return error;
    throw error;
  }
}
