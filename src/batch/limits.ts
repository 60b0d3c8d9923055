import { TributaryError } from "../errors.ts";
import { MAX_TRANSACTION_GAS, type TokenGas } from "../gas/index.ts";
import type { PlanLimits } from "./types.ts";

/** A limit of a plan that no plan can keep. */
export class PlanLimitsError extends TributaryError {
  override readonly name = "PlanLimitsError";
}

/** The most items that are ever put into one batch. Gas allows about 430. */
export const MAX_BATCH_ITEMS = 4_095;

/** The limits of a plan that names none: see {@link PlanLimits} for each. */
export const DEFAULT_LIMITS: PlanLimits = {
  maxGasPerTransaction: MAX_TRANSACTION_GAS,
  blockGasLimit: undefined,
  blockShare: 0.5,
  maxItems: MAX_BATCH_ITEMS,
  maxCalldataBytes: 120_000,
  gasAllowance: 100_000n,
  codePayerAllowance: 200_000n,
  codePayerAllowanceCeiling: 2_000_000n,
  safetyMarginSeconds: 6n,
  urgentWithinSeconds: 600n,
  secondsPerBatch: 4n,
  minimumValue: 0n,
};

/** Limits with everything decided that {@link PlanLimits} leaves open. */
export type ResolvedLimits = PlanLimits & {
  /** The lower of the caps on a transaction's gas. */
  readonly gasCap: bigint;
};

/**
 * Fills in defaults, raises the allowance to what the token needs, and works out the gas cap.
 * @throws PlanLimitsError if a limit is out of its range.
 */
export function resolveLimits(given: Partial<PlanLimits> | undefined, token: TokenGas): ResolvedLimits {
  const limits = { ...DEFAULT_LIMITS, ...given };
  require(limits.blockShare > 0 && limits.blockShare <= 1, `blockShare is ${limits.blockShare}.`, "above 0, at most 1");
  const itemsInRange = Number.isInteger(limits.maxItems) && limits.maxItems >= 1 && limits.maxItems <= MAX_BATCH_ITEMS;
  require(itemsInRange, `maxItems is ${limits.maxItems}.`, `from 1 to ${MAX_BATCH_ITEMS}`);
  require(limits.maxGasPerTransaction <=
    MAX_TRANSACTION_GAS, `maxGasPerTransaction is ${limits.maxGasPerTransaction}.`, `at most ${MAX_TRANSACTION_GAS} (EIP-7825)`);
  require(limits.codePayerAllowance <=
    limits.codePayerAllowanceCeiling, `codePayerAllowance is ${limits.codePayerAllowance}.`, `at most codePayerAllowanceCeiling, ${limits.codePayerAllowanceCeiling}`);
  require(limits.codePayerAllowance <=
    0xffff_ffffn, `codePayerAllowance is ${limits.codePayerAllowance}.`, "below 2^32, the wire format's bound");

  const gasCap = lower(limits.maxGasPerTransaction, shareOfBlock(limits));
  // Never below what the token needs: a batch whose items all run out of gas is a disaster, not a saving.
  const gasAllowance = limits.gasAllowance < token.minimumAllowance ? token.minimumAllowance : limits.gasAllowance;
  return { ...limits, gasAllowance, gasCap };
}

function shareOfBlock({ blockGasLimit, blockShare }: PlanLimits): bigint {
  if (blockGasLimit === undefined) return MAX_TRANSACTION_GAS;
  // In millionths, so that gas stays a bigint.
  return (blockGasLimit * BigInt(Math.round(blockShare * 1e6))) / 1_000_000n;
}

function lower(a: bigint, b: bigint): bigint {
  if (a < b) return a;
  return b;
}

function require(holds: boolean, shortMessage: string, allowed: string): void {
  if (!holds) throw new PlanLimitsError(shortMessage, { hint: `Allowed: ${allowed}.` });
}
