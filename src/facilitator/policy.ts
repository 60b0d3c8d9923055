import type { Address } from "viem";
import type { EnginePolicy } from "../settlement/policy.ts";

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
  /** The most gas that deploying a payer's wallet may take. */
  readonly maxDeploymentGas: bigint;
};

/**
 * How a facilitator's engine differs from others: somebody waits for each payment. So none waits for long while others are in
 * flight (but long enough for what arrives as one burst), what cannot be paid is refused at once, and payments that go one by
 * one do not wait for a block each.
 */
export const FACILITATOR_ENGINE = {
  lingerMs: 60,
  maxLingerMs: 1_000,
  maxInFlight: 16,
  requireFunds: true,
} as const satisfies Partial<EnginePolicy>;

export const DEFAULT_FACILITATOR_POLICY: Omit<FacilitatorPolicy, "assets"> = {
  factories: [],
  unbatchedPayees: [],
  strict: false,
  answerWithinMs: 55_000,
  holdMs: 10_000,
  maxDeploymentGas: 2_000_000n,
};
