import { type Address, isAddressEqual, type TransactionReceipt } from "viem";
import type { CallRow } from "../../../journal/ports/payments.ts";
import type { ItemOutcome } from "../../../router/index.ts";

/** Strangers who can make a call fail. */
export function signersOf({ work }: CallRow): readonly Address[] {
  return work.signers ?? [];
}

/** Whether a mined `aggregate3` used so much of its gas that calls in it may have failed because gas ran out. */
export function isUsedUp(gasUsed: bigint, gasLimit: bigint): boolean {
  return gasUsed >= gasLimit - gasLimit / 16n;
}

/**
 * What became of the calls that a mined `aggregate3` carried. Each is proved by a log of its own, which proves no other
 * one; a call without a log did nothing.
 */
export function readCallOutcomes(receipt: TransactionReceipt, rows: readonly CallRow[]): ItemOutcome[] {
  if (receipt.status !== "success") return rows.map(() => ({ status: "not-attempted" }));
  const taken = new Set<number>();
  return rows.map((row) => {
    const log = receipt.logs.find((one) => !taken.has(one.logIndex) && isProof(row, one));
    if (log === undefined) return { status: "unproven" };
    taken.add(log.logIndex);
    return { status: "settled", logIndex: log.logIndex };
  });
}

function isProof({ work: { proof } }: CallRow, log: TransactionReceipt["logs"][number]): boolean {
  if (proof === undefined || !isAddressEqual(proof.address, log.address)) return false;
  const matches = (wanted: string | null, found: string | undefined): boolean => {
    return wanted === null || (found !== undefined && wanted.toLowerCase() === found.toLowerCase());
  };
  const words = (proof.data ?? []).every((word, i) => matches(word, `0x${log.data.slice(2 + 64 * i, 66 + 64 * i)}`));
  return words && proof.topics.every((topic, i) => matches(topic, log.topics[i]));
}
