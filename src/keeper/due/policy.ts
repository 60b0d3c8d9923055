import { TributaryError } from "../../errors.ts";
import { DEFAULT_SIGNER_GAS } from "../../gas/budget.ts";

/**
 * What a merchant decides about claims and sweeps. Times in milliseconds, amounts in atomic units of a dollar token.
 */
export type KeeperPolicy = {
  /** A claim or sweep is made for its value alone if it costs no more than this many thousandths of what it brings. */
  readonly maxCostPermille: bigint;
  /** How long earnings may stay unclaimed, provided that the claim costs less than it brings. */
  readonly maxAgeMs: number;
  /** How long claimed money may stay unswept, provided that the sweep costs less than it brings. */
  readonly maxSweepAgeMs: number;
  /** A claim is made when this many channels have something unclaimed, provided that it costs less than it brings. */
  readonly maxChannels: number;
  /**
   * The most that one payer may owe. Above that, a claim is made if it costs less than it brings. Undefined for no
   * bound.
   */
  readonly maxUnclaimedPerPayer: bigint | undefined;
  /** The most rows in one claim. */
  readonly maxRows: number;
  /** Price of one ether in millionths of a dollar, which are USDC's atomic units. */
  readonly etherMicroUsd: bigint;
  /**
   * Gas that one claim of channels under withdrawal may take however little they hold. Above that, no claim costs more
   * than it brings.
   */
  readonly gasFloor: bigint;
  /** The most gas that an account with code may take to check one voucher or claim (ERC-1271). */
  readonly maxSignerGas: bigint;
  /** The pause between two rounds. */
  readonly roundMs: number;
  /** How often the chain is asked about every channel with something at stake, besides reading its logs. */
  readonly auditMs: number;
  /** How long a call may wait to be sent. After that, a round decides anew. */
  readonly callTimeoutMs: number;
  /** How long a channel waits after its claim failed. */
  readonly retryMs: number;
  /** The same for a channel under withdrawal. */
  readonly urgentRetryMs: number;
  /** How many blocks are read again, because a reorganisation may have replaced them. */
  readonly rewindBlocks: bigint;
};

/** The policy of a keeper that is given none: see {@link KeeperPolicy} for each. */
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
 * @throws KeeperPolicyError if a value is out of its range.
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
  // The shortest withdrawal delay is 15 minutes: the chain has to be asked before half of that is over.
  if (policy.auditMs <= 300_000 && policy.maxRows <= 250) return policy;
  throw new KeeperPolicyError("The keeper's policy is out of its range.", {
    details: `auditMs is ${policy.auditMs}, maxRows ${policy.maxRows}.`,
    hint: "Give at most 300000 ms and 250 rows.",
  });
}
