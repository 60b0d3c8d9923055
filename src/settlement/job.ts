import type { LocalAccount } from "viem";
import { authorizationId, sameTerms } from "../authorization/identity.ts";
import type { SignedAuthorization } from "../authorization/types.ts";
import type { PlannedBatch } from "../batch/index.ts";
import type { ChainClient } from "../chain/client.ts";
import { TransactionRefusedError } from "../chain/errors.ts";
import { awaitInclusion, nextTxNonce, type SignedTransaction } from "../chain/submit.ts";
import { findNonceUses, type NonceUse } from "../chain/uses.ts";
import type { Refusal } from "../router/index.ts";
import type { SentTransaction } from "./journal.ts";
import { type PaymentOutcome, type PaymentResult, rejectionOf } from "./outcome.ts";
import { type PreparedSettlement, prepareSettlement, type SettlementPolicy } from "./prepare.ts";
import { type MinedTransaction, readSettlement } from "./read.ts";
import { INCLUSION_TIMEOUT_MS, resume } from "./resume.ts";
import { callOf, preflight, send } from "./send.ts";

/** A payment of a job and the line that it came from. */
export type JobPayment = { readonly line: number; readonly authorization: SignedAuthorization };

/** Where a job keeps what it signed. `append` returns when the transaction is on disk. */
export type JobJournal = {
  readonly sent: readonly SentTransaction[];
  readonly append: (transaction: SentTransaction) => void;
};

export type JobOptions = SettlementPolicy & {
  readonly journal: JobJournal;
  /** How many transactions may wait for their block at once. */
  readonly maxInFlight?: number;
  /** How long to wait for a transaction to be mined before its payments are reported as pending. */
  readonly inclusionTimeoutMs?: number;
  /** The most to offer per gas, in wei. */
  readonly maxFeePerGas?: bigint;
  /** How far back to search for the transaction that used a nonce before. */
  readonly lookbackBlocks?: bigint;
  readonly onProgress?: (progress: JobProgress) => void;
};

export type JobProgress = { readonly payments: number; readonly decided: number; readonly transactions: number };

/** What a job did. Results are in the order of the input and as many. */
export type SettlementReport = {
  readonly results: readonly PaymentResult[];
  /** The transactions that this run saw mined, those of an earlier run that were still open included. */
  readonly transactions: readonly MinedTransaction[];
  readonly routerUsed: boolean;
  /** Why the job ended before all was sent, if it did. */
  readonly stopped: TransactionRefusedError | undefined;
};

/**
 * Settles payments in as few transactions as it can: looks up what earlier runs sent, plans the rest, pre-flights each
 * batch with one eth_call, sends it with explicit gas, and reads every outcome from that payment's own logs. A transaction
 * is in the journal before it is broadcast, so a run that is killed loses nothing, and a payment is never moved twice
 * because its nonce works once.
 * @throws ChainUnavailableError where the node fails before anything was sent.
 */
export async function settlePayments(
  client: ChainClient,
  account: LocalAccount,
  payments: readonly JobPayment[],
  options: JobOptions,
): Promise<SettlementReport> {
  const outcomes = new Map<SignedAuthorization, PaymentOutcome>();
  const transactions: MinedTransaction[] = [];
  const progress = () =>
    options.onProgress?.({ payments: payments.length, decided: outcomes.size, transactions: transactions.length });

  const mine = new Map<string, SignedAuthorization>();
  for (const { authorization } of payments) {
    const id = authorizationId(authorization);
    const first = mine.get(id);
    if (authorization.chainId !== client.chain.id) outcomes.set(authorization, wrongChain(authorization, client));
    else if (first === undefined) mine.set(id, authorization);
    else
      outcomes.set(
        authorization,
        rejectionOf({ kind: sameTerms(first, authorization) ? "duplicate" : "variant", of: first }),
      );
  }
  const resumed = await resume(client, mine, options);
  for (const [payment, outcome] of resumed.outcomes) outcomes.set(payment, outcome);
  transactions.push(...resumed.transactions);
  progress();

  const prepared = await prepareSettlement(
    client,
    [...mine.values()].filter((authorization) => !outcomes.has(authorization)),
    { ...options, sender: account.address, nowSeconds: BigInt(Math.floor(Date.now() / 1000)) },
  );
  await explainUnplanned(client, prepared, outcomes, options.lookbackBlocks ?? 10_000n);
  progress();

  const stopped = await sendAll(client, account, prepared, { options, outcomes, transactions, progress });
  const results = payments.map(({ line, authorization }): PaymentResult => {
    const outcome = outcomes.get(authorization) ?? {
      status: "not-attempted",
      message: stopped?.shortMessage ?? "not sent in this run",
    };
    return { line, authorization, outcome };
  });
  return { results, transactions, routerUsed: prepared.router !== undefined, stopped };
}

type Run = {
  readonly options: JobOptions;
  readonly outcomes: Map<SignedAuthorization, PaymentOutcome>;
  readonly transactions: MinedTransaction[];
  readonly progress: () => void;
};

/** Outcomes of what the plan leaves out. A nonce that is used is looked up: perhaps these very terms were settled. */
async function explainUnplanned(
  client: ChainClient,
  { plan, original }: PreparedSettlement,
  outcomes: Map<SignedAuthorization, PaymentOutcome>,
  lookbackBlocks: bigint,
): Promise<void> {
  for (const { payment, validFromSeconds } of plan.deferred) {
    outcomes.set(original(payment), { status: "deferred", validFromSeconds });
  }
  for (const { payment, reason } of plan.dropped) outcomes.set(original(payment), rejectionOf(reason));

  const used = plan.dropped.filter(({ reason }) => reason.kind === "nonce-used").map(({ payment }) => payment);
  const uses = await findNonceUses(client, used, { lookbackBlocks });
  for (const payment of used) {
    const use = uses.get(authorizationId(payment));
    if (use !== undefined) outcomes.set(original(payment), outcomeOfUse(use));
  }
}

function outcomeOfUse(use: NonceUse): PaymentOutcome {
  const { transactionHash } = use;
  switch (use.status) {
    case "settled":
      return { ...use, status: "settled", when: "elsewhere", gasShare: undefined };
    case "cancelled":
      return { status: "rejected", reason: "cancelled", message: "the payer cancelled this nonce", transactionHash };
    case "used-by-variant": {
      const message = "the nonce was used for other terms that the payer signed";
      return { status: "rejected", reason: "already-used", message, transactionHash };
    }
  }
}

function wrongChain({ chainId }: SignedAuthorization, client: ChainClient): PaymentOutcome {
  const message = `the authorization is for chain ${chainId}, the node is on chain ${client.chain.id}`;
  return { status: "rejected", reason: "wrong-chain", message };
}

type InFlight = {
  readonly signed: SignedTransaction;
  readonly sent: SentTransaction;
  readonly payments: SignedAuthorization[];
};

/** Sends the batches in order, several in flight, and reads their outcomes. Returns why it stopped early, if it did. */
async function sendAll(
  client: ChainClient,
  account: LocalAccount,
  prepared: PreparedSettlement,
  run: Run,
): Promise<TransactionRefusedError | undefined> {
  const { options, outcomes } = run;
  const queue: PlannedBatch[] = [...prepared.plan.batches];
  const inFlight: InFlight[] = [];
  let txNonce = queue.length === 0 ? 0 : await nextTxNonce(client, account.address);
  let stopped: TransactionRefusedError | undefined;

  for (let batch = queue.shift(); batch !== undefined; batch = queue.shift()) {
    const call = callOf(batch, prepared.router, account.address);
    const refusals = await preflight(client, batch, call);
    if (refusals.size > 0) {
      const payments = batch.items.map(({ authorization }) => prepared.original(authorization));
      for (const [index, refusal] of refusals) {
        const payment = payments[index];
        if (payment !== undefined) outcomes.set(payment, { status: "rejected", ...pick(refusal) });
      }
      run.progress();
      // Who is left goes through the planner again: fewer items need another gas limit, and one alone goes direct.
      queue.unshift(...prepared.replan(payments.filter((_, index) => !refusals.has(index))).batches);
      continue;
    }
    while (inFlight.length >= (options.maxInFlight ?? 8)) await conclude(client, inFlight.shift(), run);
    try {
      let sent: SentTransaction | undefined;
      const keep = (transaction: SentTransaction) => {
        options.journal.append(transaction);
        sent = transaction;
      };
      const fees = options.maxFeePerGas === undefined ? {} : { maxFeePerGas: options.maxFeePerGas };
      const signed = await send(client, account, batch, call, { txNonce, keep, ...fees });
      txNonce += 1;
      const payments = batch.items.map(({ authorization }) => prepared.original(authorization));
      if (sent !== undefined) inFlight.push({ signed, sent, payments });
    } catch (error) {
      if (!(error instanceof TransactionRefusedError)) throw error;
      stopped = error;
      break;
    }
  }
  for (const transaction of inFlight) await conclude(client, transaction, run);
  return stopped;
}

async function conclude(client: ChainClient, transaction: InFlight | undefined, run: Run): Promise<void> {
  if (transaction === undefined) return;
  const { signed, sent, payments } = transaction;
  const timeoutMs = run.options.inclusionTimeoutMs ?? INCLUSION_TIMEOUT_MS;
  const inclusion = await awaitInclusion(client, signed, { timeoutMs });
  if (inclusion.status === "mined") {
    const read = readSettlement(sent, inclusion.receipt, payments, "now");
    run.transactions.push(read.transaction);
    for (const [index, payment] of payments.entries()) {
      const outcome = read.outcomes[index];
      if (outcome !== undefined) run.outcomes.set(payment, outcome);
    }
  } else {
    const outcome: PaymentOutcome =
      inclusion.status === "unknown"
        ? { status: "pending", transactionHash: signed.hash }
        : { status: "not-attempted", message: `another transaction took the place of ${signed.hash}` };
    for (const payment of payments) run.outcomes.set(payment, outcome);
  }
  run.progress();
}

function pick({ reason, message }: Refusal): Pick<Refusal, "reason" | "message"> {
  return { reason, message };
}
