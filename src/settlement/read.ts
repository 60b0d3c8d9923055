import type { Hex, TransactionReceipt } from "viem";
import type { SignedAuthorization } from "../authorization/types.ts";
import { readBatchOutcomes, readDirectOutcome } from "../router/index.ts";
import type { SentTransaction } from "./journal.ts";
import type { PaymentOutcome } from "./outcome.ts";

/** A transaction of a job that was mined. Fees in wei; `feeWei` counts the data fee of an OP-stack chain too. */
export type MinedTransaction = {
  readonly hash: Hex;
  readonly kind: "router" | "direct";
  readonly blockNumber: bigint;
  readonly succeeded: boolean;
  readonly gasUsed: bigint;
  readonly feeWei: bigint;
  readonly dataFeeWei: bigint;
  readonly payments: number;
  readonly settled: number;
};

/**
 * What a mined transaction made of the payments that it carried, in their order, each from its own logs. The gas is shared
 * evenly by all that were attempted; what does not divide goes to the first.
 */
export function readSettlement(
  sent: Pick<SentTransaction, "hash" | "batch">,
  receipt: TransactionReceipt,
  authorizations: readonly SignedAuthorization[],
  when: "now" | "before",
): { transaction: MinedTransaction; outcomes: PaymentOutcome[] } {
  const items =
    sent.batch === undefined
      ? authorizations.map((authorization) => readDirectOutcome(receipt, authorization))
      : readBatchOutcomes(receipt, { ...sent.batch, authorizations });
  const attempted = items.filter(({ status }) => status !== "not-attempted").length;
  let sharers = 0;
  const transactionHash = receipt.transactionHash;

  const outcomes = items.map((item): PaymentOutcome => {
    if (item.status === "not-attempted") {
      return { status: "not-attempted", message: `transaction ${transactionHash} ended before this payment` };
    }
    const gasShare = shareOf(receipt.gasUsed, attempted, sharers);
    sharers += 1;
    if (item.status === "settled") {
      const { logIndex } = item;
      return { status: "settled", when, transactionHash, blockNumber: receipt.blockNumber, logIndex, gasShare };
    }
    const { reason, message } =
      item.status === "failed"
        ? item.refusal
        : ({ reason: "refused", message: "the token neither settled it nor said why" } as const);
    return { status: "rejected", reason, message, transactionHash, gasShare };
  });

  const dataFeeWei = dataFeeOf(receipt);
  const transaction: MinedTransaction = {
    hash: transactionHash,
    kind: sent.batch === undefined ? "direct" : "router",
    blockNumber: receipt.blockNumber,
    succeeded: receipt.status === "success",
    gasUsed: receipt.gasUsed,
    feeWei: receipt.gasUsed * receipt.effectiveGasPrice + dataFeeWei,
    dataFeeWei,
    payments: authorizations.length,
    settled: outcomes.filter(({ status }) => status === "settled").length,
  };
  return { transaction, outcomes };
}

/** Part `index` of `total` in `parts` parts that differ by one at most and add up exactly. */
export function shareOf(total: bigint, parts: number, index: number): bigint {
  const [each, rest] = [total / BigInt(parts), total % BigInt(parts)];
  return BigInt(index) < rest ? each + 1n : each;
}

/** The data fee that an OP-stack node reports in a receipt, in wei; elsewhere there is none. */
export function dataFeeOf(receipt: TransactionReceipt): bigint {
  const { l1Fee } = receipt as { l1Fee?: unknown };
  return typeof l1Fee === "bigint" ? l1Fee : typeof l1Fee === "string" ? BigInt(l1Fee) : 0n;
}
