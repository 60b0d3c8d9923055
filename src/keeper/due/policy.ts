import { TributaryError } from "../../errors.ts";
import { DEFAULT_SIGNER_GAS } from "../../gas/budget.ts";

/** What a merchant decides about claims and sweeps. Times in milliseconds, amounts in atomic units of a dollar token. */
export type KeeperPolicy = {
  /** The most that a claim or sweep may cost of what it brings, in thousandths, before it is made for its value alone. */
  readonly maxCostPermille: bigint;
  /** The longest that something earned stays unclaimed, as long as claiming it does not cost more than it. */
  readonly maxAgeMs: number;
  /** The same from claimed to swept. */
  readonly maxSweepAgeMs: number;
  /** As many channels with something unclaimed make a claim. */
  readonly maxChannels: number;
  /** The most that one payer may owe: above that its channels are claimed. Undefined for no bound. */
  readonly maxUnclaimedPerPayer: bigint | undefined;
  /** Rows of one claim, at most. */
  readonly maxRows: number;
  /** Price of one ether in millionths of a dollar, which are USDC's atomic units. */
  readonly etherMicroUsd: bigint;
  /**
   * Gas that one claim of channels under withdrawal may take however little they hold. Beyond that, no claim costs more than it
   * brings.
   */
  readonly gasFloor: bigint;
  /** The most gas that an account with code may take to check one voucher or claim (ERC-1271). */
  readonly maxSignerGas: bigint;
  /** How often channels are looked at. */
  readonly roundMs: number;
  /** How often the chain is asked about every channel with something at stake, beside following its logs. */
  readonly auditMs: number;
  /** How long a call may wait to be sent before it is decided on anew. */
  readonly callTimeoutMs: number;
  /** When what failed is tried again; a channel under withdrawal is after {@link KeeperPolicy.urgentRetryMs}. */
  readonly retryMs: number;
  readonly urgentRetryMs: number;
  /** Blocks that are read once more, for those that a reorganisation replaced. */
  readonly rewindBlocks: bigint;
};

export const DEFAULT_KEEPER_POLICY: KeeperPolicy = {
  maxCostPermille: 10n,
  maxAgeMs: 86_400_000,
  maxSweepAgeMs: 7 * 86_400_000,
  maxChannels: 1_000,
  maxUnclaimedPerPayer: undefined,
  maxRows: 100,
  etherMicroUsd: 3_000_000_000n,
  gasFloor: 0n,
  maxSignerGas: DEFAULT_SIGNER_GAS,
  roundMs: 5_000,
  auditMs: 60_000,
  callTimeoutMs: 120_000,
  retryMs: 600_000,
  urgentRetryMs: 15_000,
  rewindBlocks: 32n,
};

/** A policy that no keeper can work with. */
export class KeeperPolicyError extends TributaryError {
  override readonly name = "KeeperPolicyError";
}

/**
 * The policy with its defaults.
 * @throws KeeperPolicyError where a value is out of its range.
 */
export function resolveKeeperPolicy(partial: Partial<KeeperPolicy> = {}): KeeperPolicy {
  const policy = { ...DEFAULT_KEEPER_POLICY, ...partial };
  const atLeast = {
    maxCostPermille: 1n,
    maxAgeMs: 0,
    maxSweepAgeMs: 0,
    maxChannels: 1,
    maxRows: 1,
    etherMicroUsd: 0n,
    gasFloor: 0n,
    maxSignerGas: 0n,
    roundMs: 1,
    auditMs: 1,
    callTimeoutMs: 5_000,
    retryMs: 0,
    urgentRetryMs: 0,
    rewindBlocks: 0n,
  } as const;
  for (const [name, least] of Object.entries(atLeast)) {
    const value = policy[name as keyof typeof atLeast];
    if (value >= least) continue;
    throw new KeeperPolicyError("The keeper's policy is out of its range.", {
      details: `${name} is ${value}.`,
      hint: `Give at least ${least}.`,
    });
  }
  // A shortest delay of 15 minutes leaves no more than half of that.
  if (policy.auditMs <= 300_000 && policy.maxRows <= 250) return policy;
  throw new KeeperPolicyError("The keeper's policy is out of its range.", {
    details: `auditMs is ${policy.auditMs}, maxRows ${policy.maxRows}.`,
    hint: "Give at most 300000 ms and 250 rows.",
  });
}
