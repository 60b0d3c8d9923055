/** The cost of a transaction that carries payments, and how it compares with their value. */
export type BatchPrice = {
  /** What its gas costs, in wei. */
  readonly executionWei: bigint;
  /** Its data fee on an OP-stack chain, in wei; zero elsewhere. */
  readonly dataWei: bigint;
  /** The sum of both. */
  readonly totalWei: bigint;
  /** Of the sum, rounded up. */
  readonly weiPerPayment: bigint;
  /** In billionths of a US dollar, if a price of ether is given. */
  readonly usd?: {
    readonly totalNano: bigint;
    readonly perPaymentNano: bigint;
    /** The cost as a share of the payments' value, in millionths; undefined if they move nothing. */
    readonly shareOfValuePpm: bigint | undefined;
  };
};

export type BatchPriceInput = {
  /** Gas that the transaction uses. */
  readonly gas: bigint;
  /** Price of a unit of gas, in wei. */
  readonly gasPriceWei: bigint;
  /** OP-stack data fee, in wei; zero elsewhere. */
  readonly l1FeeWei: bigint;
  readonly payments: number;
  /** Sum of the payments in millionths of a dollar, which are USDC's atomic units. */
  readonly valueMicroUsd: bigint;
  /** Price of one ether in millionths of a dollar. */
  readonly etherMicroUsd?: bigint | undefined;
};

const WEI_PER_ETHER = 10n ** 18n;

/** Prices a transaction that carries payments. Divisions round up, so that no cost shows as zero. */
export function priceBatch(input: BatchPriceInput): BatchPrice {
  const { gas, gasPriceWei, l1FeeWei, valueMicroUsd, etherMicroUsd } = input;
  const payments = BigInt(input.payments);
  const executionWei = gas * gasPriceWei;
  const totalWei = executionWei + l1FeeWei;
  const wei = { executionWei, dataWei: l1FeeWei, totalWei, weiPerPayment: divideUp(totalWei, payments) };
  if (etherMicroUsd === undefined) return wei;

  const totalNano = divideUp(totalWei * etherMicroUsd * 1_000n, WEI_PER_ETHER);
  return {
    ...wei,
    usd: {
      totalNano,
      perPaymentNano: divideUp(totalNano, payments),
      // Nano over micro is 1/1000; times a million is a thousand.
      shareOfValuePpm: valueMicroUsd === 0n ? undefined : divideUp(totalNano * 1_000n, valueMicroUsd),
    },
  };
}

function divideUp(a: bigint, b: bigint): bigint {
  return (a + b - 1n) / b;
}
