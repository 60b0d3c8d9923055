import type { Hex } from "viem";
import { recoverSigner } from "../../authorization/recover.ts";

/** Processor time that a settlement takes, in recoveries of a signature, as `npm run bench` measures it. */
const RECOVERIES = 17;
/**
 * The part of a processor's time that a facilitator is taken to have: the chain and the callers may be on it, too. With half,
 * a new process refused bursts that it could do; one that is thought faster than it is only answers its first callers late.
 */
const PART = 0.75;
const SLOWEST = 5;
const FASTEST = 200;
const TIMES = 15;

// Any signature that recovers to somebody will do.
const DIGEST: Hex = `0x${"11".repeat(32)}`;
const SIGNATURE: Hex = `0x${"22".repeat(32)}${"33".repeat(32)}1b`;

/** Settlements a second that a machine is taken to do on which one recovery takes so long. */
export function rateOf(recoveryMs: number): number {
  return Math.min(FASTEST, Math.max(SLOWEST, (PART * 1_000) / (RECOVERIES * recoveryMs)));
}

/** How fast this machine may be assumed to settle, before it has settled anything: by some milliseconds of its processor. */
export async function assumeRate(now: () => number = () => performance.now()): Promise<number> {
  // The first ones load and compile the module.
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
