import { type Address, type Hex, isHex } from "viem";
import type { BatchKind, PaymentRow, PaymentState, SettlementLevel, Store } from "./store/types.ts";

/** One payment of a statement. Values in atomic units of the token; a share is its part of the gas of its transaction. */
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
};

/** What a whole journal has settled and paid. */
export type StatementTotals = {
  readonly payments: number;
  readonly settled: number;
  /** By token, in atomic units. */
  readonly settledValue: ReadonlyMap<string, bigint>;
  /** Of the settled payments. */
  readonly feeSharesWei: bigint;
  /** Of all transactions: what no settled payment bears went to failed items, no-ops and other calls. */
  readonly feesWei: bigint;
  readonly gasUsed: bigint;
  readonly transactions: number;
};

type BatchFacts = Pick<StatementLine, "kind" | "sender" | "txNonce">;

const PER_PAGE = 1_000;
const BATCHES_PER_PAGE = 20;
/** Batches whose facts are remembered: payments of one batch have ids close to each other. */
const REMEMBERED = 1_000;
const WEI_PER_ETHER = 10n ** 18n;

/**
 * Every payment of a journal in the order in which they were accepted, a page at a time.
 * @param etherMicroUsd Price of one ether in millionths of a dollar.
 */
export async function* readStatement(
  store: Store,
  { chainId, etherMicroUsd }: { readonly chainId?: number | undefined; readonly etherMicroUsd: bigint },
): AsyncGenerator<StatementLine, void> {
  const facts = new Map<string, BatchFacts>();
  for (let afterId = 0; ; ) {
    const rows = await store.list({ ...(chainId === undefined ? {} : { chainId }), afterId, limit: PER_PAGE });
    for (const row of rows) yield lineOf(row, await factsOf(store, row, facts), etherMicroUsd);
    const last = rows.at(-1);
    if (last === undefined || rows.length < PER_PAGE) return;
    afterId = last.id;
  }
}

/** Adds up lines as they pass, and at the end all transactions of the journal. */
export function createTotals(): {
  readonly add: (line: StatementLine) => void;
  readonly finish: (store: Store, chainId?: number) => Promise<StatementTotals>;
} {
  let payments = 0;
  let settled = 0;
  let feeSharesWei = 0n;
  const settledValue = new Map<string, bigint>();
  return {
    add: ({ state, token, value, feeShareWei }) => {
      payments += 1;
      if (state !== "settled") return;
      settled += 1;
      feeSharesWei += feeShareWei ?? 0n;
      if (token !== undefined) settledValue.set(token, (settledValue.get(token) ?? 0n) + (value ?? 0n));
    },
    finish: async (store, chainId) => ({
      payments,
      settled,
      settledValue,
      feeSharesWei,
      ...(await readFees(store, chainId)),
    }),
  };
}

async function readFees(store: Store, ofChain: number | undefined) {
  let [feesWei, gasUsed, transactions] = [0n, 0n, 0];
  for (const { chainId, sender } of await store.senders(ofChain)) {
    for (let fromTxNonce = 0; ; ) {
      const states = ["mined", "final"] as const;
      const batches = await store.batches({ chainId, sender, states, fromTxNonce, limit: BATCHES_PER_PAGE });
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
  store: Store,
  { batchId }: PaymentRow,
  facts: Map<string, BatchFacts>,
): Promise<BatchFacts | undefined> {
  if (!isHex(batchId)) return undefined;
  const known = facts.get(batchId);
  if (known !== undefined) return known;
  const batch = await store.batch(batchId);
  if (batch === undefined) return undefined;
  const { sender, txNonce, attempts, receipt } = batch;
  const mined = attempts.find(({ hash }) => hash === receipt?.hash) ?? attempts.at(-1);
  const found = { sender, txNonce, kind: mined?.kind };
  const [oldest] = facts.keys();
  if (facts.size >= REMEMBERED && oldest !== undefined) facts.delete(oldest);
  facts.set(batchId, found);
  return found;
}

function lineOf(row: PaymentRow, batch: BatchFacts | undefined, etherMicroUsd: bigint): StatementLine {
  const { work, evidence } = row;
  const terms =
    work.kind === "authorization"
      ? { ...pick(work.authorization), to: work.authorization.to }
      : { token: undefined, from: undefined, value: undefined, nonce: undefined, to: work.to };
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
    reason: row.reason,
    batchId: row.batchId,
    kind: batch?.kind,
    sender: batch?.sender,
    txNonce: batch?.txNonce,
    transactionHash: "transactionHash" in evidence ? evidence.transactionHash : undefined,
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

function pick({ token, from, value, nonce }: { token: Address; from: Address; value: bigint; nonce: Hex }) {
  return { token, from, value, nonce };
}

function divideUp(a: bigint, b: bigint): bigint {
  return (a + b - 1n) / b;
}
