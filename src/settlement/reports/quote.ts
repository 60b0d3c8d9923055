import { type Address, zeroAddress, zeroHash } from "viem";
import type { SignedAuthorization } from "../../authorization/types.ts";
import type { PlannedBatch } from "../../batch/index.ts";
import type { ChainClient } from "../../chain/client.ts";
import type { Head } from "../../chain/facts/facts.ts";
import { readDataFeeInputs } from "../../chain/fees/dataFee.ts";
import { readGasPrice } from "../../chain/fees/fees.ts";
import { type BatchPrice, type DataFeeInputs, dataFee, priceBatch, sampleTransaction } from "../../fees/index.ts";
import { type BatchCall, batchCallOf } from "../dispatch/call.ts";
import { type PreparedSettlement, prepareSettlement, type SettlementPolicy } from "../dispatch/prepare.ts";
import { screenBatches } from "../dispatch/screen.ts";
import { explainUsed } from "../outcome/explain.ts";
import { type JobPayment, type PaymentOutcome, type PaymentResult, rejectionOf } from "../outcome/results.ts";
import { sortOut } from "./sortOut.ts";

/** What to quote, and at which prices. */
export type QuoteOptions<Payment extends JobPayment = JobPayment> = SettlementPolicy & {
  /** Payments of any chains; those of another chain than the client's are excluded. */
  readonly payments: readonly Payment[];
  /** The account that would send. It matters only if the sender is a payer too. */
  readonly sender?: Address;
  /** Price per gas in wei; the chain's current price by default. */
  readonly gasPriceWei?: bigint;
  /** Price of one ether in millionths of a dollar. */
  readonly etherMicroUsd: bigint;
  /** How many blocks back to search for the transaction that used a nonce, 10,000 by default. */
  readonly lookbackBlocks?: bigint;
  /** Called with how many payments are looked at. */
  readonly onProgress?: (payments: number) => void;
};

/** One transaction that a settlement would send. `gas` is the most that it should use. */
export type QuotedBatch = {
  readonly kind: PlannedBatch["kind"];
  readonly token: Address;
  readonly payments: number;
  readonly payers: number;
  readonly payees: number;
  /** Sum of the payments, in atomic units. */
  readonly value: bigint;
  readonly gas: bigint;
  readonly gasLimit: bigint;
  readonly calldataBytes: number;
  readonly price: BatchPrice;
};

/** Several transactions together. */
export type QuoteTotal = { readonly transactions: number; readonly gas: bigint; readonly price: BatchPrice };

/** What settling some payments would cost at `head`. */
export type SettlementQuote<Payment extends JobPayment = JobPayment> = {
  readonly head: Head;
  readonly routerUsed: boolean;
  readonly gasPriceWei: bigint;
  readonly etherMicroUsd: bigint;
  /** Undefined on a chain without a data fee. */
  readonly dataFeeInputs: DataFeeInputs | undefined;
  readonly batches: readonly QuotedBatch[];
  readonly payments: number;
  readonly value: bigint;
  /** The sum of all batches; undefined if there are none. */
  readonly total: QuoteTotal | undefined;
  /** The same payments, each in its own transaction to the token; undefined if there are no batches. */
  readonly oneByOne: QuoteTotal | undefined;
  /** How many of the payments are worth less than the average cost of settling one. */
  readonly belowCost: number;
  /** The payments that are in no batch and why, in the order of the input. */
  readonly excluded: readonly PaymentResult<Payment>[];
};

/**
 * Plans a settlement, pre-flights each of its batches and prices it. Sends nothing and needs no key.
 * @throws ChainUnavailableError if the node does not answer, PlanLimitsError if a limit is out of its range.
 */
export async function quoteSettlement<Payment extends JobPayment>(
  client: ChainClient,
  options: QuoteOptions<Payment>,
): Promise<SettlementQuote<Payment>> {
  const { payments } = options;
  const { mine, others } = await sortOut(client, payments);
  const nowSeconds = BigInt(Math.floor(Date.now() / 1000));
  const sender = options.sender === undefined ? {} : { sender: options.sender };
  const prepared = await prepareSettlement(client, mine, { ...options, ...sender, nowSeconds });
  const dataFeeInputs = await readDataFeeInputs(client);
  const gasPriceWei = options.gasPriceWei ?? (await readGasPrice(client));
  const prices: Prices = { gasPriceWei, dataFeeInputs, etherMicroUsd: options.etherMicroUsd };

  const outcomes = new Map<SignedAuthorization, PaymentOutcome>();
  for (const [payment, outcome] of await explainUnplanned(client, prepared, options)) {
    outcomes.set(payment, outcome);
  }
  const ready: SignedAuthorization[] = [];
  const batches: QuotedBatch[] = [];
  for await (const screened of screenBatches(client, prepared, options.sender ?? zeroAddress)) {
    if (screened.status === "excluded") outcomes.set(screened.payment, screened.outcome);
    else {
      ready.push(...screened.payments);
      batches.push(quoteBatch(screened.batch, screened.call, prices));
    }
    options.onProgress?.(outcomes.size + others.size + ready.length);
  }

  const value = sum(batches.map((batch) => batch.value));
  const total = batches.length === 0 ? undefined : totalOf(batches, ready.length, value, prices);
  const excluded = payments.flatMap((payment): PaymentResult<Payment>[] => {
    const outcome = others.get(payment) ?? outcomes.get(payment.authorization);
    return outcome === undefined ? [] : [{ ...payment, outcome }];
  });
  return {
    head: prepared.head,
    routerUsed: prepared.router !== undefined,
    ...prices,
    batches,
    payments: ready.length,
    value,
    total,
    oneByOne: total === undefined ? undefined : quoteOneByOne(prepared, ready, value, prices),
    belowCost: countBelow(ready, total?.price),
    excluded,
  };
}

/** The outcomes of the payments that a plan leaves out. */
async function explainUnplanned(
  client: ChainClient,
  { plan, original }: PreparedSettlement,
  { lookbackBlocks }: Pick<QuoteOptions, "lookbackBlocks">,
): Promise<Map<SignedAuthorization, PaymentOutcome>> {
  const outcomes = new Map<SignedAuthorization, PaymentOutcome>();
  for (const { payment, validFromSeconds } of plan.deferred) {
    outcomes.set(original(payment), { status: "deferred", validFromSeconds });
  }
  const used: SignedAuthorization[] = [];
  for (const { payment, reason } of plan.dropped) {
    if (reason.kind === "already-used") used.push(payment);
    else outcomes.set(original(payment), rejectionOf(reason));
  }
  for (const [index, outcome] of (await explainUsed(client, used, lookbackBlocks)).entries()) {
    const payment = used[index];
    if (payment !== undefined) outcomes.set(original(payment), outcome);
  }
  return outcomes;
}

type Prices = {
  readonly gasPriceWei: bigint;
  readonly dataFeeInputs: DataFeeInputs | undefined;
  readonly etherMicroUsd: bigint;
};

function quoteBatch(batch: PlannedBatch, call: BatchCall, prices: Prices): QuotedBatch {
  const authorizations = batch.items.map(({ authorization }) => authorization);
  const gas = gasOf(batch);
  const l1FeeWei = dataFeeOfCall(call, batch.chainId, prices);
  return {
    kind: batch.kind,
    token: batch.token,
    payments: authorizations.length,
    payers: new Set(authorizations.map(({ from }) => from.toLowerCase())).size,
    payees: new Set(authorizations.map(({ to }) => to.toLowerCase())).size,
    value: batch.value,
    gas,
    gasLimit: batch.gasLimit,
    calldataBytes: batch.calldataBytes,
    price: priceOf(gas, l1FeeWei, authorizations.length, batch.value, prices),
  };
}

function totalOf(batches: readonly QuotedBatch[], payments: number, value: bigint, prices: Prices): QuoteTotal {
  const gas = sum(batches.map((batch) => batch.gas));
  const dataWei = sum(batches.map(({ price }) => price.dataWei));
  return { transactions: batches.length, gas, price: priceOf(gas, dataWei, payments, value, prices) };
}

/** At most about this many transactions have their data fee worked out. If there are more, an even sample is taken. */
const DATA_FEE_SAMPLE = 2_000;

function quoteOneByOne(
  prepared: PreparedSettlement,
  payments: readonly SignedAuthorization[],
  value: bigint,
  prices: Prices,
): QuoteTotal {
  const { batches } = prepared.replan(payments, true);
  const gas = sum(batches.map(gasOf));
  const step = Math.max(1, Math.ceil(batches.length / DATA_FEE_SAMPLE));
  const sample = batches.filter((_, index) => index % step === 0);
  const sampledWei = sum(
    sample.map((batch) => dataFeeOfCall(batchCallOf(batch, undefined, zeroHash), batch.chainId, prices)),
  );
  const dataWei = sample.length === 0 ? 0n : (sampledWei * BigInt(batches.length)) / BigInt(sample.length);
  return { transactions: batches.length, gas, price: priceOf(gas, dataWei, batches.length, value, prices) };
}

function dataFeeOfCall(call: BatchCall, chainId: number, { dataFeeInputs }: Prices): bigint {
  return dataFeeInputs === undefined ? 0n : dataFee(sampleTransaction(call, chainId), dataFeeInputs);
}

function priceOf(gas: bigint, l1FeeWei: bigint, payments: number, value: bigint, prices: Prices): BatchPrice {
  const { gasPriceWei, etherMicroUsd } = prices;
  return priceBatch({ gas, gasPriceWei, l1FeeWei, payments, valueMicroUsd: value, etherMicroUsd });
}

function gasOf({ predictedGas }: PlannedBatch): bigint {
  return predictedGas.kind === "exact" ? predictedGas.gas : predictedGas.high;
}

function countBelow(payments: readonly SignedAuthorization[], price: BatchPrice | undefined): number {
  const costNano = price?.usd?.perPaymentNano ?? 0n;
  return payments.filter(({ value }) => value * 1_000n < costNano).length;
}

function sum(values: readonly bigint[]): bigint {
  return values.reduce((total, value) => total + value, 0n);
}
