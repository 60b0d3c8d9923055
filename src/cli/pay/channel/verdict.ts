import { x402Client, x402HTTPClient } from "@x402/core/client";
import { baseOf, type ChannelPayment } from "../channelPayment.ts";
import { type Receipt, readReason, readReceipt } from "../offer.ts";
import type { Answer } from "../request.ts";
import { type Correction, readCorrection } from "./correction.ts";

/** The outcome of a payment through a channel. */
export type Verdict =
  /** The server sold. `charged` is its total charge, if it stated one that adds up. */
  | { readonly status: "sold"; readonly charged: bigint | undefined; readonly transaction: string | undefined }
  /** The server did not take the voucher, and proves its own total. */
  | { readonly status: "corrected"; readonly correction: Correction; readonly why: string }
  /** The server did not sell. It has the voucher, and could charge it later. */
  | { readonly status: "refused"; readonly why: string }
  /** The outcome is unknown. */
  | { readonly status: "unknown"; readonly why: string };

const BUSY = "invalid_batch_settlement_evm_channel_busy";

/** Reads the answer to a payment. */
export async function judge(answer: Answer | { readonly lost: string }, payment: ChannelPayment): Promise<Verdict> {
  if ("lost" in answer) return { status: "unknown", why: answer.lost };
  const reader = new x402HTTPClient(new x402Client());
  const receipt = readReceipt(reader, answer.headers);
  if (answer.ok) {
    return { status: "sold", charged: chargedIn(receipt, payment), transaction: receipt?.transaction };
  }
  const reason = receipt?.errorReason ?? readReason(reader, answer.headers, answer.body);
  const why = reason ?? `status ${answer.status}`;
  // The server may be busy with this very payment: an earlier run may have sent it.
  if (answer.status >= 500 || reason === "settlement_pending" || reason === BUSY) return { status: "unknown", why };
  const correction = answer.status === 402 ? await readCorrection(answer, payment) : undefined;
  return correction === undefined ? { status: "refused", why } : { status: "corrected", correction, why };
}

/** The total charge that a receipt states; undefined if it states none, more than the price, or two different ones. */
function chargedIn(receipt: Receipt | undefined, payment: ChannelPayment): bigint | undefined {
  const { chargedAmount, channelState } = (receipt?.success === true ? receipt.extra : undefined) ?? {};
  const amount = atomic(chargedAmount);
  if (amount === undefined || amount > payment.price) return undefined;
  const charged = baseOf(payment) + amount;
  const inAll = atomic((channelState as { chargedCumulativeAmount?: unknown } | undefined)?.chargedCumulativeAmount);
  return inAll === undefined || inAll === charged ? charged : undefined;
}

function atomic(input: unknown): bigint | undefined {
  return typeof input === "string" && /^[0-9]{1,39}$/.test(input) ? BigInt(input) : undefined;
}
