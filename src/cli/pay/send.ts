import { x402Client, x402HTTPClient } from "@x402/core/client";
import { formatAmount } from "../../money.ts";
import { CommandError } from "../exit/errors.ts";
import { notice, printJson, printVerbatim } from "../output/output.ts";
import { EXIT } from "../process/exitCodes.ts";
import type { Fate } from "./fate.ts";
import { readReason, readReceipt } from "./offer.ts";
import { forget, type OpenAuthorization } from "./openPayments.ts";
import { type Answer, type Purchase, sendHeaders } from "./request.ts";

/**
 * Sends a payment that is kept on disk, and reports the outcome. Once it was sent, only a sale ends it. It stays on
 * disk if the answer is lost, reports a failure of the server or refuses, since the server may still settle it later.
 * @param fate What the chain said about the payment before this.
 */
export async function sendPayment(
  purchase: Purchase,
  payment: OpenAuthorization,
  { fate, json }: { readonly fate: Fate; readonly json: boolean },
): Promise<void> {
  const sent = await sendHeaders(purchase, payment.headers);
  const answer = "lost" in sent ? undefined : sent;
  const reader = new x402HTTPClient(new x402Client());
  const receipt = answer === undefined ? undefined : readReceipt(reader, answer.headers);
  const outcome = outcomeOf(answer, receipt?.errorReason, fate);
  const why =
    answer === undefined
      ? ("lost" in sent && sent.lost) || "it was interrupted"
      : (receipt?.errorReason ?? readReason(reader, answer.headers, answer.body) ?? `status ${answer.status}`);
  const { to, value, nonce } = payment.authorization;
  if (outcome === "sold") await forget(payment);

  const transaction = receipt?.transaction ?? (fate.status === "paid" ? fate.transaction : undefined);
  if (json) {
    printJson({
      url: purchase.url,
      status: answer?.status ?? null,
      outcome,
      paid: receipt?.success === true || fate.status === "paid" ? value : 0n,
      network: payment.network.caip2,
      payTo: to,
      nonce,
      transaction: transaction ?? null,
      reason: outcome === "sold" ? null : why,
      body: answer?.body ?? null,
    });
  }
  if (outcome === "sold") {
    if (json) return;
    printVerbatim(answer?.body ?? "");
    const where = transaction === undefined ? "the server gave no receipt" : `transaction ${transaction}`;
    notice(`paid ${formatAmount(value, 6)} USDC: ${where}`);
    return;
  }
  throw failure(outcome, payment, why, transaction);
}

type Outcome = "sold" | "paid" | "refused" | "unknown";

function outcomeOf(answer: Answer | undefined, errorReason: string | undefined, fate: Fate): Outcome {
  if (answer?.ok === true) return "sold";
  if (fate.status === "paid") return "paid";
  const isUnclear = answer === undefined || answer.status >= 500 || errorReason === "settlement_pending";
  return isUnclear ? "unknown" : "refused";
}

function failure(
  outcome: Exclude<Outcome, "sold">,
  { authorization: { to, value, nonce, validBefore } }: OpenAuthorization,
  why: string,
  transaction: string | undefined,
): CommandError {
  const where = transaction === undefined ? "" : ` in transaction ${transaction}`;
  const until = new Date(Number(validBefore) * 1000).toISOString();
  const details = `nonce ${nonce}: ${formatAmount(value, 6)} USDC to ${to}, valid until ${until}${where}`;
  switch (outcome) {
    case "paid":
      return new CommandError(`It was paid${where}, but the server did not sell: ${why}.`, EXIT.unsettled, {
        details,
        hint: "Ask the seller, who can look the payment up by its nonce. To pay again, pass --again.",
      });
    case "refused":
      return new CommandError(`The server did not sell: ${why}.`, EXIT.unsettled, {
        details,
        hint:
          "It says that no payment was made, and could settle this one until it expires. Until then the same one is sent " +
          "again; --again signs another.",
      });
    case "unknown":
      return new CommandError(`Whether it was paid is unknown: ${why}.`, EXIT.unknown, {
        details,
        hint: "Run the same command again: it sends the same payment, which can settle only once, and checks the chain.",
      });
  }
}
