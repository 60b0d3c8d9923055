// Judges a finished run by the final chain and the journal's tables alone.
import { type ChainFacts, type ChainUse, readChain } from "./oracleChain.ts";
import { type Journal, type JournalPayment, readJournal, type Terms } from "./oracleJournal.ts";

export type Trial = {
  readonly rpcUrl: string;
  /** A SQLite file, or a `postgres://` address. */
  readonly journal: string;
  readonly token: string;
  readonly sender: string;
  /** First block of the run. */
  readonly fromBlock: number;
  /** Balances at that block of every account that may pay or be paid. */
  readonly balances: ReadonlyMap<string, bigint>;
  /** Transactions that the sender's key signed somewhere else. */
  readonly foreign: ReadonlySet<string>;
  /** All signed bytes that left the engine. */
  readonly sent: ReadonlySet<string>;
  /** The receipts that the node has shown, those of blocks that were not there among them: `hash:block`. */
  readonly receipts: ReadonlySet<string>;
  /** What was submitted, and what the engine said about it. */
  readonly submissions: readonly {
    readonly identity: string;
    readonly terms: Terms;
    readonly odd: string;
    readonly status: string;
    readonly reason: string | undefined;
  }[];
  readonly mayReorg: boolean;
};

export type Verdict = {
  readonly violations: readonly string[];
  readonly states: Readonly<Record<string, number>>;
  /** Gas of the sender's own transactions, and how much of it moved no payment. */
  readonly gasUsed: bigint;
  readonly gasWasted: bigint;
  readonly transactions: number;
  readonly settled: number;
};

export async function judge(trial: Trial): Promise<Verdict> {
  const journal = await readJournal(trial.journal);
  const chain = await readChain(trial.rpcUrl, { token: trial.token, sender: trial.sender, from: trial.fromBlock });
  const violations: string[] = [];
  const say = (text: string): void => void violations.push(text);

  judgeOutcomes(journal, chain, say);
  judgeUses(journal, chain, say);
  judgeBatches(journal, chain, trial, say);
  judgeHistory(journal, chain, say);
  judgePreconfirmations(journal, trial, say);
  judgeAdmissions(journal, chain, trial, say);
  await judgeBalances(journal, chain, trial, say);

  const own = chain.bySender.filter(({ hash }) => !trial.foreign.has(hash));
  const gasUsed = own.reduce((sum, transaction) => sum + transaction.gasUsed, 0n);
  const useful = journal.payments.reduce((sum, { state, evidence }) => sum + usefulGas(state, evidence), 0n);
  if (useful > gasUsed) say(`payments share ${useful} gas, and the transactions used ${gasUsed}`);
  const states: Record<string, number> = {};
  for (const { state } of journal.payments) states[state] = (states[state] ?? 0) + 1;
  const figures = { gasUsed, gasWasted: gasUsed - useful, transactions: own.length, settled: states.settled ?? 0 };
  return { violations, states, ...figures };
}

type Say = (text: string) => void;

function usefulGas(state: string, evidence: JournalPayment["evidence"]): bigint {
  if (state !== "settled") return 0n;
  return BigInt(String((evidence.kind === "receipt" ? evidence.gasUsed : evidence.gasShare) ?? 0));
}

/** No success without its transfer, no failure, expiry or negative proof with one, nothing left open. */
function judgeOutcomes(journal: Journal, chain: ChainFacts, say: Say): void {
  for (const payment of journal.payments) {
    const complain = (text: string): void => say(`payment ${payment.id} (${nameOf(payment)}): ${text}`);
    if (payment.terms === undefined) judgeCall(payment, chain, complain);
    else judgePayment(payment, payment.terms, chain, complain);
  }
}

function judgePayment(payment: JournalPayment, terms: Terms, chain: ChainFacts, complain: Say): void {
  const { evidence } = payment;
  const use = chain.uses.get(keyOf(terms));
  const moved = use !== undefined && moves(use, terms);
  const ours = use !== undefined && chain.bySender.some(({ hash }) => hash === use.transactionHash);
  switch (payment.state) {
    case "settled": {
      if (!moved) {
        complain("settled, and its transfer is not on the chain");
        return;
      }
      if (!ours) complain(`settled by us, and ${use.transactionHash} is not ours`);
      if (evidence.level !== "final") complain(`settled, and only ${evidence.level}`);
      const { transactionHash, blockNumber, blockHash, logIndex } = evidence;
      const at = use.transfer;
      const same =
        at?.transactionHash === transactionHash &&
        at?.blockNumber === Number(blockNumber) &&
        at?.blockHash === blockHash &&
        at?.logIndex === logIndex;
      if (!same) complain(`settled in ${transactionHash}/${blockNumber}/${logIndex}, on chain it is elsewhere`);
      return;
    }
    case "settled-elsewhere":
      if (!moved) {
        complain("settled elsewhere, and its transfer is not on the chain");
        return;
      }
      if (ours) complain("settled elsewhere, and the transaction is ours");
      if (use.transactionHash !== evidence.transactionHash) complain("settled elsewhere in another transaction");
      return;
    case "already-used":
      if (use === undefined) {
        complain("its nonce was used before, and on the chain it is free");
        return;
      }
      if (moved && ours) complain("used before by somebody, and it was us who moved it");
      else if (moved && use.blockNumber > payment.acceptedBlock) complain("used before, and it was paid afterwards");
      return;
    case "cancelled":
      if (use?.cancelled !== true) complain("cancelled, and on the chain it is not");
      return;
    case "rejected":
      if (!moved) return;
      if (ours) complain(`rejected (${payment.reason}), and we moved it`);
      else if (use.blockNumber <= Number(evidence.blockNumber)) {
        complain(`rejected (${payment.reason}) at block ${evidence.blockNumber}, and moved at ${use.blockNumber}`);
      }
      return;
    case "expired": {
      if (moved) {
        complain("expired, and it moved");
        return;
      }
      if (evidence.kind !== "deadline" || evidence.final !== true) {
        complain("expired without a negative proof");
        return;
      }
      const block = chain.blocks.get(Number(evidence.blockNumber));
      const passed = block !== undefined && block.timestamp >= payment.deadline;
      if (!passed) complain(`its negative proof is of block ${evidence.blockNumber}, before its deadline`);
      if (use !== undefined && use.blockNumber <= Number(evidence.blockNumber)) {
        complain("its negative proof calls the nonce unused, and it was used");
      }
      return;
    }
    default:
      complain(`still ${payment.state}`);
  }
}

function judgeCall(payment: JournalPayment, chain: ChainFacts, complain: Say): void {
  const { call, evidence, state } = payment;
  const moved = chain.transfers.filter(({ to }) => to === call?.to);
  if (moved.length > 1) complain(`a call that ran ${moved.length} times`);
  if (state === "settled") {
    const [transfer] = moved;
    if (transfer?.value !== call?.value) complain("a settled call that left no trace");
    if (transfer?.transactionHash !== evidence.transactionHash) complain("a call settled in another transaction");
    if (evidence.level !== "final") complain(`a settled call, only ${evidence.level}`);
  } else if (state === "rejected" || state === "expired") {
    if (moved.length > 0) complain(`a call that is ${state} and ran`);
  } else complain(`a call that is still ${state}`);
}

/** Everything that moved on chain and is in the journal is there as paid, once. */
function judgeUses(journal: Journal, chain: ChainFacts, say: Say): void {
  for (const key of chain.usedTwice) say(`${key} was used twice`);
  const rows = new Map<string, JournalPayment[]>();
  for (const payment of journal.payments) {
    if (payment.terms === undefined) continue;
    const key = keyOf(payment.terms);
    rows.set(key, [...(rows.get(key) ?? []), payment]);
  }
  for (const [key, payments] of rows) {
    const paid = payments.filter(({ state }) => state === "settled" || state === "settled-elsewhere");
    if (paid.length > 1) say(`${key} is paid ${paid.length} times in the journal`);
    const use = chain.uses.get(key);
    const ours = use !== undefined && chain.bySender.some(({ hash }) => hash === use.transactionHash);
    if (ours && !use.cancelled && paid.length === 0) say(`${key} was moved by us, and the journal does not know`);
  }
}

/** Only stored bytes went out; every txNonce up to the last is consumed; replacements only drop payments. */
function judgeBatches(journal: Journal, chain: ChainFacts, { foreign, sent }: Trial, say: Say): void {
  const attempts = journal.batches.flatMap((batch) => batch.attempts);
  const hashes = new Set(attempts.map(({ hash }) => hash));
  const stored = new Set(attempts.map(({ raw }) => raw));
  for (const raw of sent) if (!stored.has(raw)) say(`bytes went out that are not in the journal: ${raw.slice(0, 40)}…`);
  for (const { hash, txNonce } of chain.bySender) {
    if (!hashes.has(hash) && !foreign.has(hash)) say(`${hash} (txNonce ${txNonce}) is on the chain and nobody's`);
  }
  if (chain.pendingTxCount !== chain.txCount) say(`txNonces ${chain.txCount}… still wait in the mempool`);
  for (const batch of journal.batches) {
    const complain = (text: string): void => say(`batch ${batch.id.slice(0, 10)} (txNonce ${batch.txNonce}): ${text}`);
    if (batch.txNonce >= chain.txCount) complain(`its txNonce is a gap, the count is ${chain.txCount}`);
    const first = new Set(batch.attempts[0]?.paymentIds);
    if (!batch.attempts.every(({ paymentIds }) => paymentIds.every((id) => first.has(id)))) {
      complain("a replacement added a payment");
    }
    const mined = chain.bySender.find(({ txNonce }) => txNonce === batch.txNonce);
    const isOurs = mined !== undefined && batch.attempts.some(({ hash }) => hash === mined.hash);
    if (batch.state === "final" && !isOurs) complain("final, and none of its attempts is on the chain");
    if (batch.state === "lost" && isOurs) complain("lost, and one of its attempts is on the chain");
    if (batch.state !== "final" && batch.state !== "lost") complain(`still ${batch.state}`);
  }
}

/** No identity in a second batch while its first was undecided. */
function judgeHistory(journal: Journal, chain: ChainFacts, say: Say): void {
  const payments = new Map(journal.payments.map((payment) => [payment.id, payment]));
  const txNonces = new Map(journal.batches.map(({ id, txNonce }) => [id, txNonce]));
  const lastBatch = new Map<number, string>();
  const flying = new Map<string, { readonly paymentId: number; readonly batchId: string }>();
  for (const step of journal.history) {
    const payment = payments.get(step.paymentId);
    if (payment === undefined) continue;
    const current = flying.get(payment.identity);
    const complain = (text: string): void =>
      say(`payment ${payment.id} (${nameOf(payment)}), step ${step.id}: ${text}`);
    if (step.to === "batched") {
      if (current !== undefined) complain(`into another batch while ${current.batchId.slice(0, 10)} is undecided`);
      lastBatch.set(payment.id, String(step.evidence.batchId));
      flying.set(payment.identity, { paymentId: payment.id, batchId: String(step.evidence.batchId) });
    } else if (step.to === "queued" && (step.from === "batched" || step.from === "submitted")) {
      const hash = step.evidence.transactionHash;
      const consumer = chain.bySender.find((transaction) => transaction.hash === hash);
      // Nothing is given up until it is deeper than any reorg of a run.
      if (consumer === undefined) complain(`given back because of ${hash}, which is not on the chain`);
      else if (consumer.txNonce !== txNonces.get(current?.batchId ?? ""))
        complain("given back because of another txNonce");
      flying.delete(payment.identity);
    } else if (step.to === "submitted" && step.evidence.kind === "reorg") {
      // The transaction that had decided its batch is gone, so it is on its way again in the same batch.
      if (current !== undefined) complain(`on its way again beside ${current.batchId.slice(0, 10)}`);
      flying.set(payment.identity, { paymentId: payment.id, batchId: lastBatch.get(payment.id) ?? "" });
    } else if (step.to !== "submitted" && current?.paymentId === payment.id) flying.delete(payment.identity);
  }
}

/** The history calls nothing preconfirmed that was not, and taken back what is preconfirmed in another way. */
function judgePreconfirmations(journal: Journal, { receipts }: Trial, say: Say): void {
  const said = new Map<number, string>();
  for (const { id, paymentId, to, evidence } of journal.history) {
    const complain = (text: string): void => say(`payment ${paymentId}, step ${id}: ${text}`);
    const word = `${evidence.transactionHash}:${evidence.blockNumber}`;
    const before = said.get(paymentId);
    said.delete(paymentId);
    if (evidence.kind === "preconfirmation") {
      if (to !== "submitted") complain(`preconfirmed, and ${to}`);
      if (!receipts.has(word)) complain(`${word} is called preconfirmed, and the node never said so`);
      if (before !== undefined) complain(`${word} is preconfirmed, and ${before} was not called taken back`);
      said.set(paymentId, word);
    } else if (evidence.kind === "preconfirmation-lost" && before !== word) {
      complain(`${word} is called taken back, and ${before ?? "nothing"} was preconfirmed`);
    }
  }
}

/** A refused submission is not in the journal, and the reason of its refusal is true. */
function judgeAdmissions(journal: Journal, chain: ChainFacts, { submissions, mayReorg }: Trial, say: Say): void {
  for (const { identity, terms, odd, status, reason } of submissions) {
    const complain = (text: string): void => say(`submission ${odd} ${identity.slice(-12)}: ${text}`);
    const rows = journal.payments.filter((row) => {
      return row.identity === identity && row.terms?.value === terms.value && row.terms.to === terms.to;
    });
    if (status === "accepted") {
      if (rows.length !== 1) complain(`accepted, and ${rows.length} times in the journal`);
      if (MUST_REFUSE.has(odd)) complain("accepted");
      continue;
    }
    if (rows.length > 0) complain(`refused (${reason}), and in the journal as ${rows[0]?.state}`);
    if (reason === "already-used" && !chain.uses.has(keyOf(terms)) && !mayReorg) {
      complain("refused as used, and the nonce is free");
    }
    if (reason === "bad-signature" && !MAY_BE_BADLY_SIGNED.has(odd)) complain("refused for its signature");
    if (reason === "wrong-chain" && odd !== "wrong-chain") complain("refused for its chain");
    if (reason === "missing-token" && odd !== "missing-token") complain("refused for its token");
  }
}

const MUST_REFUSE: ReadonlySet<string> = new Set([
  "bad-signature",
  "malformed-signature",
  "wrong-chain",
  "missing-token",
]);
/** A payer whose code burns gas accepts no signature. */
const MAY_BE_BADLY_SIGNED: ReadonlySet<string> = new Set(["bad-signature", "malformed-signature", "burner"]);

/** Every balance adds up to the unit, and what the journal settled is what our transactions moved, payee by payee. */
async function judgeBalances(journal: Journal, chain: ChainFacts, { balances }: Trial, say: Say): Promise<void> {
  const ours = new Set(chain.bySender.map(({ hash }) => hash));
  for (const [owner, before] of balances) {
    const account = owner.toLowerCase();
    const credit = sum(chain.transfers.filter(({ to }) => to === account));
    const debit = sum(chain.transfers.filter(({ from }) => from === account));
    const now = await chain.balanceOf(account);
    if (now !== before + credit - debit) say(`${account} has ${now}, it should be ${before + credit - debit}`);

    const byUs = chain.transfers.filter(({ to, transactionHash }) => to === account && ours.has(transactionHash));
    const settled = journal.payments.filter(({ state }) => state === "settled");
    const booked = settled.map(({ terms, call }) => terms ?? call).filter((terms) => terms?.to === account);
    const difference = sum(byUs) - sum(booked.filter((terms) => terms !== undefined));
    if (difference !== 0n) say(`${account} got ${sum(byUs)} from us, ${difference} more than the journal has settled`);
  }
}

function sum(items: readonly { readonly value: bigint }[]): bigint {
  return items.reduce((total, { value }) => total + value, 0n);
}

function keyOf({ from, nonce }: Terms): string {
  return `${from}:${nonce}`;
}

function moves(use: ChainUse, { from, to, value }: Terms): boolean {
  const { transfer } = use;
  return transfer !== undefined && transfer.from === from && transfer.to === to && transfer.value === value;
}

function nameOf({ source, identity }: JournalPayment): string {
  return source === null ? identity : `submission ${source}`;
}
