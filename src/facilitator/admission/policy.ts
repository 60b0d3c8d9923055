import type { Address } from "viem";
import { DEFAULT_SIGNER_GAS } from "../../gas/budget.ts";
import { isTestChain, networkOf } from "../../networks.ts";
import type { Pace } from "../../settlement/pace.ts";
import type { EnginePolicy } from "../../settlement/policy.ts";

/** Whom and what a facilitator serves. */
export type FacilitatorPolicy = {
  /** The tokens that are settled, each with its smallest payment in atomic units. All others are refused. */
  readonly assets: readonly { readonly address: Address; readonly minimum: bigint }[];
  /** Factories that may deploy the wallet of an ERC-6492 signature. None by default, so that such payments are refused. */
  readonly factories: readonly Address[];
  /** Payees whose payments each get their own transaction. */
  readonly unbatchedPayees: readonly Address[];
  /** Whether a payment that somebody else submitted after it was accepted here counts as used, not as settled. */
  readonly strict: boolean;
  /**
   * The evidence that a success of /settle stands on: a block, or the sequencer's word that the payment will be in one. That word
   * may be taken back after the success was told, which is the operator's risk.
   */
  readonly level: "preconfirmed" | "included";
  /** How long /settle waits for the payment to be mined. Clients give up after 90 s. */
  readonly answerWithinMs: number;
  /** How long a caller without a name may come back with the same request if the answer was not final. */
  readonly holdMs: number;
  /** A request that is expected to take longer than this is refused at once, before it is read. */
  readonly admitWithinMs: number;
  /** Settlements per second to assume before this process has measured any; undefined to estimate it from the machine. */
  readonly assumedPerSecond: number | undefined;
  /** The smallest payment whose resource enters the catalogue, in atomic units; at least 1. */
  readonly listFrom: bigint;
  /** The most gas that deploying a payer's wallet may take. */
  readonly maxDeploymentGas: bigint;
  /** The most gas that an account with code may take to check one signature (ERC-1271) in a call about channels. */
  readonly maxSignerGas: bigint;
  /** The gas that a call may always take, even if it moves very little. */
  readonly gasFloor: bigint;
  /**
   * The price of one ether in millionths of a dollar, 0 for none. With a price, a call about channels never takes more gas beyond
   * the floor than what it moves is worth, and the smallest payment may follow the price of gas. Every token counts as dollars
   * with six decimals.
   */
  readonly etherMicroUsd: bigint;
  /** How far ahead the end of an authorization may be. A stored payment is followed until then. */
  readonly maxValiditySeconds: number;
  /** How much gas is taken in for one day (UTC), by what payments are expected to take. */
  readonly gasPerDay: GasPerDay;
  /** How many open payments one payer may have, with callers without an API key and with merchants. */
  readonly payerOpenCap: { readonly anonymous: number | undefined; readonly merchant: number | undefined };
  /**
   * The smallest payment as a multiple of its expected cost in a full batch, in thousandths, in addition to `assets`; undefined
   * for none. It needs a price of ether.
   */
  readonly minGasPermille: bigint | undefined;
};

/** Bounds on gas in one day (UTC). Undefined means no bound. */
export type GasPerDay = {
  /** For one payer, whoever brings the payments. */
  readonly payer: bigint | undefined;
  /** For all callers without an API key taken together. */
  readonly anonymous: bigint | undefined;
  /** For each merchant without its own bound. */
  readonly merchant: bigint | undefined;
};

/**
 * In a facilitator, somebody waits for each payment. So no payment lingers for long while others are in flight (but long enough
 * for a burst), a payment without funds is refused at once, and single payments do not each wait for a block. Anybody may be a
 * payer, so nobody has many payments in flight before some have settled.
 */
export const FACILITATOR_ENGINE = {
  maxInFlight: 16,
  requireFunds: true,
  unprovenInFlight: 50,
} as const satisfies Partial<EnginePolicy>;
export const FACILITATOR_PACE: Partial<Pace> = { lingerMs: 60, maxLingerMs: 1_000 };

/** Defaults that are the same on every chain. */
export const DEFAULT_FACILITATOR_POLICY: Omit<FacilitatorPolicy, "assets" | "gasPerDay" | "payerOpenCap"> = {
  factories: [],
  unbatchedPayees: [],
  strict: false,
  level: "included",
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
 * What strangers may cost an operator on a chain where gas is money. A payment in a batch takes about 52,000 gas. So a day has
 * room for 380 payments of one payer, 9,600 of all anonymous callers and 38,000 of each merchant. At 0.01 gwei and $3,000 for
 * one ether, that costs $0.60, $15 and $60.
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

/** The policy on a chain: what is given, and the defaults of that chain for the rest. */
export function resolveFacilitatorPolicy(chainId: number, given: Partial<FacilitatorPolicy> = {}): FacilitatorPolicy {
  const usdc = networkOf(chainId)?.usdc.address;
  const assets = usdc === undefined ? [] : [{ address: usdc, minimum: 0n }];
  return { assets, ...DEFAULT_FACILITATOR_POLICY, ...(isTestChain(chainId) ? UNBOUNDED : REAL), ...given };
}
