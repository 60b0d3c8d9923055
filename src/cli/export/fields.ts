import { formatAmount } from "../../money.ts";
import type { StatementLine } from "../../settlement/reports/statement.ts";
import { type CsvValue, csvLine } from "../output/csv.ts";
import { time } from "../output/paymentText.ts";

/** Stable: other programs read them. */
export const COLUMNS = [
  "id",
  "chainId",
  "token",
  "from",
  "to",
  "value",
  "amount",
  "nonce",
  "validBefore",
  "state",
  "reason",
  "batchId",
  "kind",
  "sender",
  "txNonce",
  "transactionHash",
  "blockNumber",
  "logIndex",
  "level",
  "gasShare",
  "feeShareWei",
  "feeShareUsd",
  "source",
  "acceptedAt",
  "updatedAt",
  "what",
  "payee",
  "channels",
] as const;

export function fieldsOf(line: StatementLine): Readonly<Record<(typeof COLUMNS)[number], CsvValue>> {
  return {
    id: line.id,
    chainId: line.chainId,
    token: line.token ?? null,
    from: line.from ?? null,
    to: line.to,
    value: line.value ?? null,
    // USDC has six decimals, on every chain.
    amount: line.value === undefined ? null : formatAmount(line.value, 6),
    nonce: line.nonce ?? null,
    validBefore: line.validBeforeSeconds,
    state: line.state,
    reason: line.reason ?? null,
    batchId: line.batchId ?? null,
    kind: line.kind ?? null,
    sender: line.sender ?? null,
    txNonce: line.txNonce ?? null,
    transactionHash: line.transactionHash ?? null,
    blockNumber: line.blockNumber ?? null,
    logIndex: line.logIndex ?? null,
    level: line.level ?? null,
    gasShare: line.gasShare ?? null,
    feeShareWei: line.feeShareWei ?? null,
    feeShareUsd: line.feeShareNanoUsd === undefined ? null : formatAmount(line.feeShareNanoUsd, 9),
    source: line.source ?? null,
    acceptedAt: time(line.acceptedAtMs),
    updatedAt: time(line.updatedAtMs),
    what: line.what,
    payee: line.payee ?? null,
    channels: line.channelIds.length === 0 ? null : line.channelIds.join(" "),
  };
}

export function csvOf(line: StatementLine): string {
  const fields = fieldsOf(line);
  return csvLine(COLUMNS.map((column) => fields[column]));
}
