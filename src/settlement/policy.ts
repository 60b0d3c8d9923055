import type { Address } from "viem";
import { type PlanLimits, planBatches } from "../batch/index.ts";
import { type FeeBounds, feeBoundsOf } from "../chain/fees/fees.ts";
import { TributaryError } from "../errors.ts";
import { CIRCLE_USDC_GAS, ROUTER_GAS } from "../gas/index.ts";

/** What an operator decides. Times in milliseconds, gas prices in wei. */
export type EnginePolicy = {
  /** How many blocks deep an outcome must be before it counts: 1 is the block that holds it. */
  readonly confirmations: number;
  /**
   * How many blocks deep a transaction must be before payments that it did not settle are queued again. It is a batch's
   * own transaction, or a foreign one that took the batch's txNonce.
   */
  readonly lossConfirmations: number;
  /** Transactions of one key that may wait for a block at once. */
  readonly maxInFlight: number;
  /** Replaces some of the planner's `DEFAULT_LIMITS`. */
  readonly limits: Partial<PlanLimits>;
  /** The router to use; undefined means the one at its usual address. */
  readonly router: Address | undefined;
  /** By default the usual fees of the chain: see `feeCeilings` of a network. */
  readonly fees: FeeBounds;
  /** How long the right to send from a key outlives a process that was killed. */
  readonly leaseTtlMs: number;
  /** A sender with less than this sends nothing. */
  readonly minimumSenderBalanceWei: bigint;
  /** The most atomic units that one payer may have unsettled; undefined means no bound. */
  readonly payerUnsettledCap: bigint | undefined;
  /**
   * The most open payments and deposits that one payer may have of a token, whatever their amounts; undefined means no
   * bound. All of them can fail in one block, and each costs the gas of a failed item: that is how much a payer can
   * burn at once.
   */
  readonly payerOpenCap: number | undefined;
  /**
   * Whether a payment is refused at once if its payer's balance does not cover it together with their unsettled
   * payments, or if the token blocks its payee. Otherwise it waits for its turn, because both may change until then.
   */
  readonly requireFunds: boolean;
  /** Whether a payment is tried until its deadline if the token refuses it for a reason that may pass. */
  readonly retryRefused: boolean;
  /**
   * The least time between two transactions of a key that are sent in step with blocks, or with the steps in which they
   * are preconfirmed. Where those come faster, more payments share a transaction, and its gas. What is full or urgent
   * does not wait for it.
   */
  readonly sendEveryMs: number;
  /** Whether preconfirmations are looked at, if the node has them. */
  readonly preconfirmations: boolean;
  /**
   * How many payments of one payer may be on their way at once; only one if the payer has strikes. If more of theirs
   * than that have settled since the last failure, as many as have settled. Undefined means no bound.
   */
  readonly unprovenInFlight: number | undefined;
};

/** The part of a policy that a caller sets. Each value has a default, and so has each of the fees. */
export type EnginePolicyOptions = Partial<Omit<EnginePolicy, "fees">> & {
  /** Replaces some of the chain's usual bounds, in wei per gas. */
  readonly fees?: Partial<FeeBounds> | undefined;
};

/**
 * The policy of an engine that is given none: see {@link EnginePolicy} for each. Its fees are those of a chain that is
 * not known.
 */
export const DEFAULT_ENGINE_POLICY: EnginePolicy = {
  confirmations: 1,
  lossConfirmations: 3,
  maxInFlight: 4,
  limits: {},
  router: undefined,
  fees: feeBoundsOf(0),
  leaseTtlMs: 30_000,
  minimumSenderBalanceWei: 0n,
  payerUnsettledCap: undefined,
  payerOpenCap: undefined,
  requireFunds: false,
  retryRefused: false,
  sendEveryMs: 400,
  preconfirmations: false,
  unprovenInFlight: undefined,
};

/** A policy that no engine can work with. */
export class EnginePolicyError extends TributaryError {
  override readonly name = "EnginePolicyError";
}

/**
 * Fills in the defaults of a policy and checks it.
 * @param chainId The chain whose usual fees are the default; undefined if it is not known.
 * @throws EnginePolicyError if a value is out of its range, PlanLimitsError if one of its limits is.
 */
export function resolvePolicy(partial: EnginePolicyOptions = {}, chainId = 0): EnginePolicy {
  const policy = { ...DEFAULT_ENGINE_POLICY, ...partial, fees: resolveFees(partial.fees, chainId) };
  const { fees, limits } = policy;
  const { leaseTtlMs, sendEveryMs, unprovenInFlight = 1, confirmations, lossConfirmations, maxInFlight } = policy;
  const counts = { confirmations, lossConfirmations, maxInFlight, unprovenInFlight };
  for (const [name, count] of Object.entries(counts)) {
    require(Number.isInteger(count) && count >= 1, `${name} is ${count}.`, "Give a whole number of at least 1.");
  }
  require(leaseTtlMs > 0, `leaseTtlMs is ${leaseTtlMs}.`, "Give a time above 0.");
  const isTime = Number.isFinite(sendEveryMs) && sendEveryMs >= 0;
  require(isTime, `sendEveryMs is ${sendEveryMs}.`, "Give a time of 0 or more.");
  require(fees.floorWei <= fees.ceilingWei, `fees.floorWei is ${fees.floorWei}.`, "Give at most fees.ceilingWei.");
  require(fees.tipCeilingWei >= 0n &&
    fees.tipCeilingWei <=
      fees.ceilingWei, `fees.tipCeilingWei is ${fees.tipCeilingWei}.`, "Give at most fees.ceilingWei.");
  // The planner knows the ranges of its limits.
  const gasModel = { token: CIRCLE_USDC_GAS, router: ROUTER_GAS };
  planBatches({ payments: [], nowSeconds: 0n, routerAvailable: true, gasModel, limits });
  return policy;
}

/** If only a lower ceiling is given, the other bounds are lowered to it. */
function resolveFees(given: Partial<FeeBounds> = {}, chainId: number): FeeBounds {
  const usual = feeBoundsOf(chainId);
  const ceilingWei = given.ceilingWei ?? usual.ceilingWei;
  const below = (wei: bigint): bigint => (wei < ceilingWei ? wei : ceilingWei);
  return {
    floorWei: given.floorWei ?? below(usual.floorWei),
    ceilingWei,
    tipCeilingWei: given.tipCeilingWei ?? below(usual.tipCeilingWei),
  };
}

function require(condition: boolean, details: string, hint: string): void {
  if (!condition) throw new EnginePolicyError("The engine's policy is out of its range.", { details, hint });
}
