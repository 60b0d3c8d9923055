import type { Hex } from "viem";
import { recoverSigner } from "../../authorization/recover.ts";

/** The processor time of a settlement, in signature recoveries, as the benchmark measures it. */
const RECOVERIES = 17;
/**
 * The part of a processor that a facilitator is assumed to have: the chain and the callers may use it as well. With half of it,
 * a new process refused bursts that it could have answered. If the guess is too high, only the first callers wait longer.
 */
const PART = 0.75;
const SLOWEST = 5;
const FASTEST = 200;
const TIMES = 15;

// Any signature will do that recovers to an address.
const DIGEST: Hex = `0x${"11".repeat(32)}`;
const SIGNATURE: Hex = `0x${"22".repeat(32)}${"33".repeat(32)}1b`;

/** The settlements per second to assume for a machine on which one recovery takes `recoveryMs`. */
export function rateOf(recoveryMs: number): number {
  return Math.min(FASTEST, Math.max(SLOWEST, (PART * 1_000) / (RECOVERIES * recoveryMs)));
}

/** How fast this machine probably settles, found by some milliseconds of work before it has settled anything. */
export async function assumeRate(now: () => number = () => performance.now()): Promise<number> {
  // The first recoveries load and compile the module, so they are not measured.
  await recoverSigner(DIGEST, SIGNATURE);
  await recoverSigner(DIGEST, SIGNATURE);
  const times: number[] = [];
  for (let i = 0; i < TIMES; i += 1) {
    const began = now();
    await recoverSigner(DIGEST, SIGNATURE);
    times.push(now() - began);
  }
  times.sort((a, b) => a - b);
  return rateOf(times[Math.floor(TIMES / 2)] ?? 1);
}
