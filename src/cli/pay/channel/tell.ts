import { formatAmount } from "../../../money.ts";
import { CommandError } from "../../exit/errors.ts";
import { notice, printJson, printVerbatim } from "../../output/output.ts";
import { EXIT } from "../../process/exitCodes.ts";
import type { ChannelPayment } from "../channelPayment.ts";

/** What is reported about a purchase through a channel. Amounts in atomic units. */
export type Told = {
  readonly url: string;
  readonly status: number | null;
  readonly body: string | null;
  readonly outcome: "sold" | "paid" | "refused" | "unknown";
  readonly why: string;
  /** The most that was charged for it. */
  readonly paid: bigint;
  /** The total charged in the channel so far, as far as is known. */
  readonly charged: bigint;
  /** What is left in the channel; undefined if no node answered. */
  readonly left: bigint | undefined;
  readonly transaction: string | undefined;
};

/**
 * Reports the outcome on stdout and stderr.
 * @throws CommandError if the server did not sell.
 */
export function tell(payment: ChannelPayment, told: Told, isJson: boolean): void {
  const { channelId, config, network, ceiling, deposit } = payment;
  const { url, status, body, outcome, why, paid, charged, left, transaction } = told;
  if (isJson) {
    printJson({
      url,
      status,
      outcome,
      paid,
      network: network.caip2,
      payTo: config.receiver,
      nonce: deposit?.nonce ?? null,
      transaction: transaction ?? null,
      channel: { id: channelId, charged, left: left ?? null, voucher: ceiling, deposit: deposit?.amount ?? null },
      reason: outcome === "sold" ? null : why,
      body,
    });
  }
  if (outcome !== "sold") throw failure(outcome, payment, why);
  if (isJson) return;
  printVerbatim(body ?? "");
  notice(`paid ${usdc(paid)} USDC through channel ${channelId}${describeLeft(left)}`);
  if (transaction !== undefined) notice(`deposited in transaction ${transaction}`);
}

function describeLeft(left: bigint | undefined): string {
  return left === undefined ? "" : `: ${usdc(left)} USDC left in it`;
}

function failure(outcome: "paid" | "refused" | "unknown", payment: ChannelPayment, why: string): CommandError {
  const { channelId, config, price, deposit } = payment;
  const into = deposit === undefined ? "" : `, with a deposit of ${usdc(deposit.amount)} (nonce ${deposit.nonce})`;
  const details = `channel ${channelId}: at most ${usdc(price)} USDC to ${config.receiver}${into}`;
  switch (outcome) {
    case "paid":
      return new CommandError(`It was paid, but the server did not sell: ${why}.`, EXIT.unsettled, {
        details,
        hint: "Ask the seller, who can look the channel up by its id. To pay again, pass --again.",
      });
    case "refused":
      return new CommandError(`The server did not sell: ${why}.`, EXIT.unsettled, {
        details,
        hint:
          "It says that no payment was made, and could charge this one later. The same command sends the same one again; " +
          "--again signs another.",
      });
    case "unknown":
      return new CommandError(`Whether it was paid is unknown: ${why}.`, EXIT.unknown, {
        details,
        hint: "Run the same command again: it sends the same voucher, which can be charged only once, and checks the chain.",
      });
  }
}

export function usdc(amount: bigint): string {
  return formatAmount(amount, 6);
}
