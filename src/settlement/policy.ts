import type { Address } from "viem";
import { type PlanLimits, planBatches } from "../batch/index.ts";
import { type FeeBounds, feeBoundsOf } from "../chain/fees/fees.ts";
import { TributaryError } from "../errors.ts";
import { CIRCLE_USDC_GAS, ROUTER_GAS } from "../gas/index.ts";

/** Bounds of the fee offered per gas, in wei, and the step of a replacement, in thousandths. */
export type FeePolicy = FeeBounds & {
  /** Nodes want at least 100 (10 %). 125 leaves room for their rounding. */
  readonly bumpPermille: bigint;
};

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
  /** How long the first payment of an idle engine waits for company. */
  readonly lingerMs: number;
  /** The longest wait of an idle engine while payments keep coming in, each within `lingerMs` of the one before. */
  readonly gatherMs: number;
  /** The longest that a payment waits for a batch to fill while others are in flight. */
  readonly maxLingerMs: number;
  /** With this many queued payments, a batch goes at once. */
  readonly fullBatch: number;
  readonly limits: Partial<PlanLimits>;
  /** The router to use; undefined means the one at its usual address. */
  readonly router: Address | undefined;
  /** By default the usual fees of the chain: see `feeCeilings` of a network. */
  readonly fees: FeePolicy;
  /** If a transaction is not included after this time, the same bytes are broadcast again. */
  readonly rebroadcastAfterMs: number;
  /** If a transaction is not included after this time, it is replaced at a higher fee. */
  readonly replaceAfterMs: number;
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
  readonly retryRefusedAfterMs: number;
  /**
   * How long a payer waits whose code burnt gas, or a signer of a call that failed after its pre-flight had passed. A
   * payer who moved the money away or cancelled waits a quarter of it. Each further strike doubles the wait.
   */
  readonly strikeMs: number;
  /**
   * How many payments of one payer may be on their way at once; only one if the payer has strikes. If more of theirs
   * than that have settled since the last failure, as many as have settled. Undefined means no bound.
   */
  readonly unprovenInFlight: number | undefined;
  /**
   * The most calls with strangers among their signers that share a transaction: one hostile call can burn the gas of
   * all.
   */
  readonly maxSharedStrangers: number;
  /** How many blocks back the logs are searched for the use of a nonce. */
  readonly lookbackBlocks: bigint;
  /** The longest pause between two looks at the chain. */
  readonly pollMs: number;
  /** How often the queue is searched for payments of other processes, and for those that became due. */
  readonly sweepMs: number;
  /** How often finality, proofs of expiry and foreign uses of nonces are checked. */
  readonly finalityMs: number;
  /**
   * If a payer's unsettled payments reach this part of their balance, in thousandths, they are settled at once: the
   * payer may spend the balance elsewhere before the next batch.
   */
  readonly exposurePermille: bigint;
  /**
   * How often the balances of payers with waiting payments are read again, if payments may wait for longer than this.
   */
  readonly watchBalancesMs: number;
  /** How often a payment may be in a batch that reverts or is refused as a whole, before it is set aside. */
  readonly maxTries: number;
  /** The most callers that may wait for outcomes at once; more are refused. */
  readonly maxWaiters: number;
  /** The longest that `close` waits for what is in flight. */
  readonly closeWithinMs: number;
};

/** The part of a policy that a caller sets. Each value has a default, and so has each of the fees. */
export type EnginePolicyOptions = Partial<Omit<EnginePolicy, "fees">> & {
  readonly fees?: Partial<FeePolicy> | undefined;
};

export const DEFAULT_POLICY: EnginePolicy = {
  confirmations: 1,
  lossConfirmations: 3,
  maxInFlight: 4,
  lingerMs: 25,
  gatherMs: 250,
  maxLingerMs: 2_000,
  fullBatch: 300,
  limits: {},
  router: undefined,
  fees: { ...feeBoundsOf(0), bumpPermille: 125n },
  rebroadcastAfterMs: 8_000,
  replaceAfterMs: 20_000,
  leaseTtlMs: 30_000,
  minimumSenderBalanceWei: 0n,
  payerUnsettledCap: undefined,
  payerOpenCap: undefined,
  requireFunds: false,
  retryRefused: false,
  retryRefusedAfterMs: 5_000,
  strikeMs: 60_000,
  unprovenInFlight: undefined,
  maxSharedStrangers: 8,
  lookbackBlocks: 10_000n,
  pollMs: 500,
  sweepMs: 2_000,
  finalityMs: 2_000,
  exposurePermille: 800n,
  watchBalancesMs: 10_000,
  maxTries: 12,
  maxWaiters: 20_000,
  closeWithinMs: 10_000,
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
  const policy = { ...DEFAULT_POLICY, ...partial, fees: resolveFees(partial.fees, chainId) };
  const { fees, limits } = policy;
  for (const name of [
    "confirmations",
    "lossConfirmations",
    "maxInFlight",
    "fullBatch",
    "maxTries",
    "maxSharedStrangers",
  ] as const) {
    const isCount = Number.isInteger(policy[name]) && policy[name] >= 1;
    require(isCount, `${name} is ${policy[name]}.`, "Give a whole number of at least 1.");
  }
  const { unprovenInFlight: few } = policy;
  const isFew = few === undefined || (Number.isInteger(few) && few >= 1);
  require(isFew, `unprovenInFlight is ${few}.`, "Give a whole number of at least 1.");
  for (const name of ["leaseTtlMs", "pollMs", "sweepMs", "finalityMs", "watchBalancesMs"] as const) {
    require(policy[name] > 0, `${name} is ${policy[name]}.`, "Give a time above 0.");
  }
  require(fees.floorWei <= fees.ceilingWei, `fees.floorWei is ${fees.floorWei}.`, "Give at most fees.ceilingWei.");
  require(fees.tipCeilingWei >= 0n &&
    fees.tipCeilingWei <=
      fees.ceilingWei, `fees.tipCeilingWei is ${fees.tipCeilingWei}.`, "Give at most fees.ceilingWei.");
  require(fees.bumpPermille >= 100n, `fees.bumpPermille is ${fees.bumpPermille}.`, "Nodes want at least 100.");
  // The planner knows the ranges of its limits.
  const gasModel = { token: CIRCLE_USDC_GAS, router: ROUTER_GAS };
  planBatches({ payments: [], nowSeconds: 0n, routerAvailable: true, gasModel, limits });
  return policy;
}

/** If only a lower ceiling is given, the other bounds are lowered to it. */
function resolveFees(given: Partial<FeePolicy> = {}, chainId: number): FeePolicy {
  const usual = feeBoundsOf(chainId);
  const ceilingWei = given.ceilingWei ?? usual.ceilingWei;
  const below = (wei: bigint): bigint => (wei < ceilingWei ? wei : ceilingWei);
  return {
    floorWei: given.floorWei ?? below(usual.floorWei),
    ceilingWei,
    tipCeilingWei: given.tipCeilingWei ?? below(usual.tipCeilingWei),
    bumpPermille: given.bumpPermille ?? DEFAULT_POLICY.fees.bumpPermille,
  };
}

function require(condition: boolean, details: string, hint: string): void {
  if (!condition) throw new EnginePolicyError("The engine's policy is out of its range.", { details, hint });
}
