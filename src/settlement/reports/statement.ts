import { type Address, type Hex, isAddressEqual, zeroAddress } from "viem";
import { type DecodedChannelCall, decodeChannelCall } from "../../channels/decode.ts";
import { everyRow } from "../../journal/pages.ts";
import type { BatchJournal, BatchKind } from "../../journal/ports/batches.ts";
import type { SettlementLevel } from "../../journal/ports/evidence.ts";
import { transactionOf } from "../../journal/ports/evidence.ts";
import type { LeaseJournal } from "../../journal/ports/leases.ts";
import type { ChannelEvent, LedgerJournal } from "../../journal/ports/ledger.ts";
import type { PaymentJournal, PaymentRow, PaymentState } from "../../journal/ports/payments.ts";
import { reasonText } from "../../journal/reasonText.ts";
import { groupBy } from "../../lists.ts";

/**
 * One payment of a statement. Values are in atomic units of the token. A share is the payment's part of the gas or the
 * fee of its transaction; a call's share is everything that the journal counts for it.
 */
export type StatementLine = {
  readonly id: number;
  readonly chainId: number;
  readonly token: Address | undefined;
  readonly from: Address | undefined;
  readonly to: Address;
  readonly value: bigint | undefined;
  readonly nonce: Hex | undefined;
  readonly validBeforeSeconds: bigint;
  readonly state: PaymentState;
  readonly reason: string | undefined;
  readonly batchId: string | undefined;
  readonly kind: BatchKind | undefined;
  readonly sender: Address | undefined;
  readonly txNonce: number | undefined;
  readonly transactionHash: Hex | undefined;
  readonly blockNumber: bigint | undefined;
  readonly logIndex: number | undefined;
  readonly level: SettlementLevel | undefined;
  readonly gasShare: bigint | undefined;
  readonly feeShareWei: bigint | undefined;
  /** Billionths of a US dollar, rounded up. */
  readonly feeShareNanoUsd: bigint | undefined;
  readonly source: string | undefined;
  readonly acceptedAtMs: number;
  readonly updatedAtMs: number;
  /** A payment, or what a call does with channels; `call` is any other call. */
  readonly what: StatementKind;
  /** The account that is or will be paid; undefined if there are several, or none. */
  readonly payee: Address | undefined;
  readonly channelIds: readonly Hex[];
};

/** What a line of a statement is: a payment, something that a call did with channels, or another call. */
export type StatementKind = "payment" | DecodedChannelCall["kind"] | "call";

/** What a journal has settled, and what that cost. */
export type StatementTotals = {
  readonly payments: number;
  readonly settled: number;
  /** By token, in atomic units. */
  readonly settledValue: ReadonlyMap<string, bigint>;
  /** Settled calls, by what they did, and the value that they moved as far as it is known. */
  readonly calls: ReadonlyMap<StatementKind, { readonly count: number; readonly value: bigint }>;
  /** The sum over settled payments and calls. */
  readonly feeSharesWei: bigint;
  /** The sum over all transactions. What is above `feeSharesWei` went to no-ops and to what did not settle. */
  readonly feesWei: bigint;
  readonly gasUsed: bigint;
  readonly transactions: number;
};

type BatchFacts = Pick<StatementLine, "kind" | "sender" | "txNonce">;

const BATCHES_PER_PAGE = 20;
/** How many batches have their facts remembered. The payments of a batch have ids close to each other. */
const REMEMBERED = 1_000;
const WEI_PER_ETHER = 10n ** 18n;

/** Which part of a journal to state, and at which price of ether. */
export type StatementOptions = {
  /** By default every chain of the journal. */
  readonly chainId?: number | undefined;
  /** Price of one ether in millionths of a dollar. */
  readonly etherMicroUsd: bigint;
};

/**
 * Every payment of a journal in the order in which they were accepted. The journal is read a page at a time.
 * @throws JournalError if the journal cannot be read.
 */
export async function* readStatement(
  journal: PaymentJournal & BatchJournal & LedgerJournal,
  { chainId, etherMicroUsd }: StatementOptions,
): AsyncGenerator<StatementLine, void> {
  const facts = new Map<string, BatchFacts>();
  const ofChain = chainId === undefined ? {} : { chainId };
  for await (const rows of everyRow((page) => journal.list({ ...ofChain, ...page }))) {
    const events = await eventsOf(journal, rows);
    for (const row of rows) {
      yield lineOf(row, await factsOf(journal, row, facts), { etherMicroUsd, events: eventsIn(row, events) });
    }
  }
}

/**
 * Adds up the lines of {@link readStatement} one by one with `add`. `finish` adds all transactions of the journal and
 * gives the totals.
 */
export function createStatementTotals(): {
  readonly add: (line: StatementLine) => void;
  readonly finish: (journal: BatchJournal & LeaseJournal, chainId?: number) => Promise<StatementTotals>;
} {
  let payments = 0;
  let settled = 0;
  let feeSharesWei = 0n;
  const settledValue = new Map<string, bigint>();
  const calls = new Map<StatementKind, { count: number; value: bigint }>();
  return {
    add: ({ what, state, token, value, feeShareWei }) => {
      if (what === "payment") payments += 1;
      if (state !== "settled") return;
      if (what !== "payment") {
        const { count, value: sum } = calls.get(what) ?? { count: 0, value: 0n };
        calls.set(what, { count: count + 1, value: sum + (value ?? 0n) });
        feeSharesWei += feeShareWei ?? 0n;
        return;
      }
      settled += 1;
      feeSharesWei += feeShareWei ?? 0n;
      if (token !== undefined) settledValue.set(token, (settledValue.get(token) ?? 0n) + (value ?? 0n));
    },
    finish: async (journal, chainId) => ({
      payments,
      settled,
      settledValue,
      calls,
      feeSharesWei,
      ...(await readFees(journal, chainId)),
    }),
  };
}

/** The fees and the gas of all transactions of a journal. */
export async function readFees(journal: BatchJournal & LeaseJournal, ofChain: number | undefined) {
  let [feesWei, gasUsed, transactions] = [0n, 0n, 0];
  for (const { chainId, sender } of await journal.senders(ofChain)) {
    for (let fromTxNonce = 0; ; ) {
      const states = ["mined", "final"] as const;
      const batches = await journal.batches({ chainId, sender, states, fromTxNonce, limit: BATCHES_PER_PAGE });
      for (const { receipt } of batches) {
        feesWei += receipt?.feeWei ?? 0n;
        gasUsed += receipt?.gasUsed ?? 0n;
        transactions += receipt === undefined ? 0 : 1;
      }
      const last = batches.at(-1);
      if (last === undefined || batches.length < BATCHES_PER_PAGE) break;
      fromTxNonce = last.txNonce + 1;
    }
  }
  return { feesWei, gasUsed, transactions };
}

async function factsOf(
  journal: BatchJournal,
  { batchId }: PaymentRow,
  facts: Map<string, BatchFacts>,
): Promise<BatchFacts | undefined> {
  if (batchId === undefined) return undefined;
  const known = facts.get(batchId);
  if (known !== undefined) return known;
  const batch = await journal.batch(batchId);
  if (batch === undefined) return undefined;
  const { sender, txNonce, attempts, receipt } = batch;
  const mined = attempts.find(({ hash }) => hash === receipt?.hash) ?? attempts.at(-1);
  const found = { sender, txNonce, kind: mined?.kind };
  const [oldest] = facts.keys();
  if (facts.size >= REMEMBERED && oldest !== undefined) facts.delete(oldest);
  facts.set(batchId, found);
  return found;
}

/** The channel events that the journal noted in the calls' transactions, by transaction hash. */
async function eventsOf(
  journal: LedgerJournal,
  rows: readonly PaymentRow[],
): Promise<ReadonlyMap<string, ChannelEvent[]>> {
  const found: ChannelEvent[] = [];
  const calls = rows.filter(({ work, evidence }) => work.kind === "call" && evidence.kind === "receipt");
  for (const chainId of new Set(calls.map((row) => row.chainId))) {
    const hashes = calls.flatMap(({ chainId: its, evidence }) =>
      its === chainId && evidence.kind === "receipt" ? [evidence.transactionHash] : [],
    );
    found.push(...(await journal.channelEventsIn(chainId, [...new Set(hashes)])));
  }
  return groupBy(found, ({ transactionHash }) => transactionHash);
}

function eventsIn({ evidence }: PaymentRow, events: ReadonlyMap<string, ChannelEvent[]>): readonly ChannelEvent[] {
  return evidence.kind === "receipt" ? (events.get(evidence.transactionHash) ?? []) : [];
}

function lineOf(
  row: PaymentRow,
  batch: BatchFacts | undefined,
  { etherMicroUsd, events }: { readonly etherMicroUsd: bigint; readonly events: readonly ChannelEvent[] },
): StatementLine {
  const { work, evidence } = row;
  const terms =
    work.kind === "authorization"
      ? { ...pick(work.authorization), ...paymentTo(work.authorization.to) }
      : { nonce: undefined, to: work.to, ...callTerms(row.chainId, work, events) };
  const [gasShare, feeShareWei] =
    evidence.kind === "transfer"
      ? [evidence.gasShare, evidence.feeShareWei]
      : evidence.kind === "receipt"
        ? [evidence.gasUsed, evidence.feeWei]
        : [undefined, undefined];
  return {
    id: row.id,
    chainId: row.chainId,
    ...terms,
    validBeforeSeconds: row.deadlineSeconds,
    state: row.state,
    reason: reasonText(row),
    batchId: row.batchId,
    kind: batch?.kind,
    sender: batch?.sender,
    txNonce: batch?.txNonce,
    transactionHash: transactionOf(row),
    blockNumber: "blockNumber" in evidence ? evidence.blockNumber : undefined,
    logIndex: "logIndex" in evidence ? evidence.logIndex : undefined,
    level: "level" in evidence ? evidence.level : undefined,
    gasShare,
    feeShareWei,
    feeShareNanoUsd:
      feeShareWei === undefined ? undefined : divideUp(feeShareWei * etherMicroUsd * 1_000n, WEI_PER_ETHER),
    source: row.source,
    acceptedAtMs: row.acceptedAtMs,
    updatedAtMs: row.updatedAtMs,
  };
}

function paymentTo(to: Address) {
  return { to, what: "payment", payee: to, channelIds: [] } as const;
}

/**
 * What a call about channels moved, from whom and to whom. Calls may share a transaction, so only the events of the
 * call's own channels count.
 */
function callTerms(
  chainId: number,
  work: { readonly to: Address; readonly data: Hex },
  events: readonly ChannelEvent[],
) {
  const call = decodeChannelCall(chainId, work);
  if (call === undefined) {
    return {
      what: "call",
      token: undefined,
      from: undefined,
      value: undefined,
      payee: undefined,
      channelIds: [],
    } as const;
  }
  const { kind, channels, account } = call;
  const accounts = account === undefined ? channels : [account];
  const payee = onlyOne(accounts.map(({ receiver }) => receiver));
  const token = onlyOne(accounts.map((one) => one.token));
  const channelIds = channels.map(({ channelId }) => channelId);
  const own = events.filter((event) => {
    if (event.kind !== kind) return false;
    return event.channelId === undefined
      ? isAddressEqual(event.receiver, payee ?? zeroAddress) && isAddressEqual(event.token, token ?? zeroAddress)
      : channelIds.includes(event.channelId);
  });
  const moved = own.length === 0 ? undefined : own.reduce((sum, { amount }) => sum + amount, 0n);
  const value = kind === "deposit" ? call.amount : moved;
  return { what: kind, token, from: onlyOne(channels.map(({ payer }) => payer)), value, payee, channelIds };
}

function onlyOne(addresses: readonly Address[]): Address | undefined {
  const [first] = addresses;
  return addresses.every((one) => one === first) ? first : undefined;
}

function pick({ token, from, value, nonce }: { token: Address; from: Address; value: bigint; nonce: Hex }) {
  return { token, from, value, nonce };
}

function divideUp(a: bigint, b: bigint): bigint {
  return (a + b - 1n) / b;
}
