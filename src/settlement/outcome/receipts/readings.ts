import type { TransactionReceipt } from "viem";
import type { ChainClient } from "../../../chain/client.ts";
import { ChainUnavailableError } from "../../../chain/errors.ts";
import { findReceipt } from "../../../chain/sending/submit.ts";

/**
 * The receipt of a transaction, once two readings agree. A single reading may be wrong, and its consequences are
 * permanent. If another node answers, each node counts once; otherwise the only node is asked up to twice more.
 * @param nodes The node that the first reading is of, then the others.
 * @throws ChainUnavailableError if no two readings agree: then nothing is known, and the next look asks again.
 */
export async function confirmReceipt(
  [own, ...others]: readonly ChainClient[],
  first: TransactionReceipt,
): Promise<TransactionReceipt> {
  const hash = first.transactionHash;
  const readings: { readonly node: ChainClient | undefined; readonly receipt: TransactionReceipt }[] = [];
  readings.push({ node: own, receipt: first });
  let isAlone = true;
  for (const node of [...others, own, own]) {
    const receipt = node === undefined ? undefined : await findReceipt(node, hash).catch(() => undefined);
    if (receipt === undefined) continue;
    if (node !== own) isAlone = false;
    const agrees = readings.some((other) => (isAlone || other.node !== node) && isSameReceipt(other.receipt, receipt));
    if (agrees) return receipt;
    readings.push({ node, receipt });
  }
  throw new ChainUnavailableError(`No two readings of the receipt of ${hash} agree.`, {
    hint: "Use another node, or one more: this one contradicts itself or the others.",
  });
}

function isSameReceipt(a: TransactionReceipt, b: TransactionReceipt): boolean {
  return textOf(a) === textOf(b);
}

function textOf({ status, blockHash, gasUsed, logs }: TransactionReceipt): string {
  return JSON.stringify([
    status,
    blockHash,
    String(gasUsed),
    logs.map(({ address, topics, data, logIndex }) => [address.toLowerCase(), topics, data, logIndex]),
  ]).toLowerCase();
}
