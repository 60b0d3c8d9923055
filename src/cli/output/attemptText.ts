import { formatGwei } from "viem";
import { formatEtherBriefly } from "../../money.ts";
import type { TransactionAttempt } from "../../settlement/index.ts";
import { describeAge } from "./duration.ts";
import { time } from "./paymentText.ts";
import { counted } from "./summary.ts";

/** A signed transaction as JSON. */
export function attemptJson({ signedAtMs, handedOutAtMs, paymentIds, receipt, ...attempt }: TransactionAttempt) {
  return {
    ...attempt,
    payments: paymentIds.length,
    signedAt: time(signedAtMs),
    handedOutAt: handedOutAtMs === undefined ? null : time(handedOutAtMs),
    blockNumber: receipt?.blockNumber ?? null,
    succeeded: receipt?.succeeded ?? null,
    gasUsed: receipt?.gasUsed ?? null,
    feeWei: receipt?.feeWei ?? null,
  };
}

/**
 * Signed transactions for people, line by line: hash, fee, age and fate of each.
 * @param paymentId If given, the lines say which replacements do not carry this payment.
 */
export function describeAttempts(
  attempts: readonly TransactionAttempt[],
  nowMs: number,
  paymentId?: number,
): readonly string[] {
  return attempts.flatMap((attempt, index) => {
    const { hash, txNonce, sender, maxFeePerGas, maxPriorityFeePerGas, signedAtMs, handedOutAtMs } = attempt;
    const handedOut =
      handedOutAtMs === undefined ? "not handed out yet" : `last handed out ${describeAge(handedOutAtMs, nowMs)}`;
    return [
      `  ${index + 1}. ${hash}`,
      `     txNonce ${txNonce} of ${sender}`,
      `     offers ${formatGwei(maxFeePerGas)} gwei per gas, ${formatGwei(maxPriorityFeePerGas)} of it as tip, for ${attempt.gas} gas`,
      `     signed ${describeAge(signedAtMs, nowMs)}, ${handedOut}`,
      `     ${cargoOf(attempt, paymentId)}; ${fateText(attempt)}`,
    ];
  });
}

function cargoOf({ kind, paymentIds }: TransactionAttempt, paymentId: number | undefined): string {
  if (kind === "noop") return "carries nothing: it only takes the txNonce";
  const isLeftOut = paymentId !== undefined && !paymentIds.includes(paymentId);
  return `carries ${counted(paymentIds.length, "payment")}${isLeftOut ? ", this one no longer" : ""}`;
}

function fateText({ fate, receipt, handedOutAtMs }: TransactionAttempt): string {
  switch (fate) {
    case "waiting":
      return handedOutAtMs === undefined ? "waits to be handed out" : "waits for its block";
    case "replaced":
      return "replaced by the next one, may still be mined";
    case "superseded":
      return "never mined: another one with its txNonce was";
    case "txnonce-lost":
      return "never mined: a transaction from elsewhere took its txNonce";
    case "mined": {
      if (receipt === undefined) return "mined";
      const how = receipt.succeeded ? "mined" : "reverted";
      return `${how} in block ${receipt.blockNumber}: ${receipt.gasUsed} gas, ${formatEtherBriefly(receipt.feeWei, "up")} ETH`;
    }
  }
}
