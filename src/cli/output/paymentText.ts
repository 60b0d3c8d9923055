import type { Evidence, HistoryRow, PaymentRow } from "../../journal/index.ts";
import { reasonText } from "../../journal/reasonText.ts";
import { retryRuleOf } from "../../settlement/outcome/retry.ts";

/** A payment as JSON: its terms, its state and the reason, and what may be done. The signature is left out. */
export function paymentJson(row: PaymentRow, history?: readonly HistoryRow[]) {
  const { id, identity, chainId, state, evidence, batchId, source, tries, work } = row;
  const terms =
    work.kind === "call"
      ? { call: { to: work.to, gas: work.gas } }
      : {
          token: work.authorization.token,
          from: work.authorization.from,
          to: work.authorization.to,
          value: work.authorization.value,
          validAfter: work.authorization.validAfter,
          nonce: work.authorization.nonce,
        };
  return {
    id,
    identity,
    chainId,
    ...terms,
    validBefore: row.deadlineSeconds,
    state,
    reason: reasonText(row) ?? null,
    retry: retryRuleOf(row),
    evidence,
    batchId: batchId ?? null,
    tries,
    source: source ?? null,
    acceptedAt: time(row.acceptedAtMs),
    updatedAt: time(row.updatedAtMs),
    ...(history === undefined
      ? {}
      : {
          history: history.map((step) => ({
            at: time(step.atMs),
            from: step.from ?? null,
            to: step.to,
            reason: reasonText(step) ?? null,
            evidence: step.evidence,
          })),
        }),
  };
}

/** Evidence in one line, for people. */
export function evidenceText(evidence: Evidence): string {
  switch (evidence.kind) {
    case "accepted":
      return `signature verified at block ${evidence.block}`;
    case "transfer":
      return `transfer in ${evidence.transactionHash}, block ${evidence.blockNumber}, log ${evidence.logIndex}, ${evidence.level}`;
    case "preconfirmation":
      return `preconfirmed in ${evidence.transactionHash}, for block ${evidence.blockNumber}, log ${evidence.logIndex}`;
    case "preconfirmation-lost":
      return `no longer preconfirmed for block ${evidence.blockNumber}: ${evidence.transactionHash} is handed out again`;
    case "receipt":
      return `receipt of ${evidence.transactionHash}, block ${evidence.blockNumber}, ${evidence.level}`;
    case "refusal": {
      const where = evidence.transactionHash === undefined ? "before it was sent" : `in ${evidence.transactionHash}`;
      return `${evidence.reason}: ${evidence.message} (${where}, block ${evidence.blockNumber})`;
    }
    case "nonce-use":
      return `nonce ${USES[evidence.use]}${evidence.transactionHash === undefined ? "" : ` in ${evidence.transactionHash}`}`;
    case "deadline":
      return evidence.final
        ? `validBefore passed at final block ${evidence.blockNumber} with the nonce unused: it can never settle`
        : `validBefore passed at block ${evidence.blockNumber}, which is not final yet`;
    case "batch":
      return `in batch ${evidence.batchId}, transaction ${evidence.transactionHash}`;
    case "returned":
      return evidence.transactionHash === undefined ? evidence.why : `${evidence.why} (${evidence.transactionHash})`;
    case "reorg":
      return `block ${evidence.blockNumber} left the chain (${evidence.blockHash})`;
    case "request":
      return `asked for by ${evidence.by}`;
  }
}

const USES = {
  settled: "used for exactly these terms",
  "used-by-variant": "used for other terms of the payer",
  cancelled: "cancelled by the payer",
  unknown: "used, but it was not found by what",
} as const;

/** A time as ISO 8601. */
export function time(ms: number): string {
  return new Date(ms).toISOString();
}
