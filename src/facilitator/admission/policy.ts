import type { Address } from "viem";
import { DEFAULT_SIGNER_GAS } from "../../gas/budget.ts";
import { isTestChain, networkOf } from "../../networks.ts";
import type { EnginePolicy } from "../../settlement/policy.ts";

/** Whom and what a facilitator serves. */
export type FacilitatorPolicy = {
  /** The tokens that are settled, each with its smallest payment in atomic units. Everything else is refused. */
  readonly assets: readonly { readonly address: Address; readonly minimum: bigint }[];
  /** Factories that may be called to deploy the wallet of an ERC-6492 signature. None by default: such payments are refused. */
  readonly factories: readonly Address[];
  /** Payees whose payments each get a transaction of their own. */
  readonly unbatchedPayees: readonly Address[];
  /** Whether a payment that somebody else submitted after we accepted it counts as used instead of settled. */
  readonly strict: boolean;
  /** How long /settle waits for the payment to be mined. Clients give up after 90 s. */
  readonly answerWithinMs: number;
  /** How long a caller without a name who got no final answer may come back with the same request. */
  readonly holdMs: number;
  /** What is expected to be answered later than that is refused at once, before anything of it is read. */
  readonly admitWithinMs: number;
  /** Settlements a second that are expected before this process has measured any; undefined for what its machine lets expect. */
  readonly assumedPerSecond: number | undefined;
  /** What a payment must come to so that its resource enters the catalogue, in atomic units; 1 at least. */
  readonly listFrom: bigint;
  /** The most gas that deploying a payer's wallet may take. */
  readonly maxDeploymentGas: bigint;
  /** The most gas that an account with code may take to check one signature (ERC-1271) in a call about channels. */
  readonly maxSignerGas: bigint;
  /** Gas that a call may take however little it moves. */
  readonly gasFloor: bigint;
  /**
   * Price of one ether in millionths of a dollar, 0 where there is none: with it, no call about channels takes more gas beyond
   * the floor than what it moves is worth, and the smallest payment may follow the price of gas. Tokens are taken for dollars
   * with six decimals.
   */
  readonly etherMicroUsd: bigint;
  /** How far ahead the end of an authorization may be: a stored payment is followed until then. */
  readonly maxValiditySeconds: number;
  /** The gas that is taken in for one day (UTC), by what it is expected to be. */
  readonly gasPerDay: GasPerDay;
  /** The open payments that one payer may have, with callers without an API key and with merchants. */
  readonly payerOpenCap: { readonly anonymous: number | undefined; readonly merchant: number | undefined };
  /**
   * The smallest payment as a multiple of what it is expected to cost in a full batch, in thousandths, beside what `assets`
   * says; undefined for none. It needs a price of ether.
   */
  readonly minGasPermille: bigint | undefined;
};

/** Bounds on gas in one day (UTC); undefined for no bound. */
export type GasPerDay = {
  /** For one payer, whoever brings their payments. */
  readonly payer: bigint | undefined;
  /** For all callers without an API key together. */
  readonly anonymous: bigint | undefined;
  /** For each merchant that has no bound of its own. */
  readonly merchant: bigint | undefined;
};

/**
 * How a facilitator's engine differs from others: somebody waits for each payment. So none waits for long while others are in
 * flight (but long enough for what arrives as one burst), what cannot be paid is refused at once, and payments that go one by
 * one do not wait for a block each. And anybody may be a payer, so that nobody has many payments on their way before some settled.
 */
export const FACILITATOR_ENGINE = {
  lingerMs: 60,
  maxLingerMs: 1_000,
  maxInFlight: 16,
  requireFunds: true,
  unprovenInFlight: 50,
} as const satisfies Partial<EnginePolicy>;

/** Defaults that are the same on every chain. */
export const DEFAULT_FACILITATOR_POLICY: Omit<FacilitatorPolicy, "assets" | "gasPerDay" | "payerOpenCap"> = {
  factories: [],
  unbatchedPayees: [],
  strict: false,
  answerWithinMs: 55_000,
  holdMs: 10_000,
  admitWithinMs: 10_000,
  assumedPerSecond: undefined,
  listFrom: 100n,
  maxDeploymentGas: 2_000_000n,
  maxValiditySeconds: 86_400,
  minGasPermille: undefined,
  maxSignerGas: DEFAULT_SIGNER_GAS,
  gasFloor: 300_000n,
  etherMicroUsd: 0n,
};

/**
 * What strangers may cost an operator on a chain where gas is money. A payment in a batch takes about 52,000 gas: that is 380
 * payments of one payer in a day, 9,600 of all anonymous callers, 38,000 of each merchant; at 0.01 gwei and $3,000 for an
 * ether $0.60, $15 and $60.
 */
const REAL: Pick<FacilitatorPolicy, "gasPerDay" | "payerOpenCap"> = {
  gasPerDay: { payer: 20_000_000n, anonymous: 500_000_000n, merchant: 2_000_000_000n },
  payerOpenCap: { anonymous: 20, merchant: 100 },
};

/** No bounds: for chains where gas costs nothing. */
export const UNBOUNDED: Pick<FacilitatorPolicy, "gasPerDay" | "payerOpenCap"> = {
  gasPerDay: { payer: undefined, anonymous: undefined, merchant: undefined },
  payerOpenCap: { anonymous: undefined, merchant: undefined },
};

/** The policy on a chain: what is given, and for the rest what is usual there. */
export function resolveFacilitatorPolicy(chainId: number, given: Partial<FacilitatorPolicy> = {}): FacilitatorPolicy {
  const usdc = networkOf(chainId)?.usdc.address;
  const assets = usdc === undefined ? [] : [{ address: usdc, minimum: 0n }];
  return { assets, ...DEFAULT_FACILITATOR_POLICY, ...(isTestChain(chainId) ? UNBOUNDED : REAL), ...given };
}
