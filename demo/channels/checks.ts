import type { Address } from "viem";
import { formatAmount } from "../../src/money.ts";
import type { Check } from "../figures.ts";
import type { Purchase } from "../sale/fleet.ts";
import type { ChannelLedger } from "./ledger.ts";

/** What the buyers, the server, the keeper and the chain say about a sale by channels. */
export type ChannelEvidence = {
  readonly price: bigint;
  readonly requests: number;
  readonly purchases: readonly Purchase[];
  readonly ledger: ChannelLedger;
  /** Balances in USDC by account, when the sale began and when everything was swept. */
  readonly before: ReadonlyMap<Address, bigint>;
  readonly after: ReadonlyMap<Address, bigint>;
  readonly payee: Address;
  /** The contract that holds the channels. */
  readonly contract: Address;
  /** Accounts that must not keep anything: the facilitator's and the keeper's. */
  readonly passive: readonly Address[];
  /** How much the keeper says it swept. */
  readonly swept: bigint;
  /** How much is unclaimed in the journal at the end. */
  readonly unclaimed: bigint;
};

/** Follows the money from the buyers' deposits to the payee. */
export function checkChannels(evidence: ChannelEvidence): Check[] {
  const { price, requests, purchases, ledger, before, after, payee, contract, passive, swept, unclaimed } = evidence;
  const { channels } = ledger;
  const served = purchases.filter(({ status }) => status === 200);
  const problems = purchases.flatMap(({ problem }) => (problem === undefined ? [] : [problem]));
  const vouchers = served.flatMap(({ voucher }) => (voucher === undefined ? [] : [voucher]));
  const distinct = new Set(vouchers.map((one) => `${one.channelId}:${one.maxClaimable}`.toLowerCase()));
  const deposits = vouchers.filter(({ hasDeposit }) => hasDeposit).length;
  const change = (account: Address): bigint => (after.get(account) ?? 0n) - (before.get(account) ?? 0n);
  const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((all, one) => all + one, 0n);
  const due = price * BigInt(served.length);
  const deposited = sum(channels.map((one) => one.deposited));
  const claimed = sum(channels.map((one) => one.claimed));
  const refundable = deposited - claimed;
  const bought = (payer: Address): bigint =>
    price * BigInt(served.filter(({ buyer }) => buyer.toLowerCase() === payer.toLowerCase()).length);
  const mischarged = channels.filter(({ payer, charged, signed }) => charged !== bought(payer) || signed !== charged);
  const others = new Set([payee, contract, ...passive]);
  const buyers = [...before.keys()].filter((account) => !others.has(account));
  const depositOf = (buyer: Address): bigint =>
    sum(channels.filter(({ payer }) => payer.toLowerCase() === buyer.toLowerCase()).map((one) => one.deposited));
  const off = buyers.filter((buyer) => change(buyer) !== -depositOf(buyer));
  const kept = sum(passive.map(change));
  return [
    {
      name: "every call was served",
      holds: served.length === requests && problems.length === 0,
      found: `${served.length} of ${requests}${problems[0] === undefined ? "" : `, the first problem: ${problems[0]}`}`,
    },
    {
      name: "every answer was paid by its own voucher",
      holds: vouchers.length === served.length && distinct.size === served.length,
      found: `${distinct.size} vouchers`,
    },
    {
      name: "the server charged every channel for what its buyer got, and keeps a voucher for exactly that",
      holds: mischarged.length === 0 && sum(channels.map(({ charged }) => charged)) === due,
      found:
        mischarged.length === 0
          ? `${channels.length} channels, ${usdc(due)}`
          : `off: ${mischarged[0]?.channelId ?? ""}`,
    },
    {
      name: "every buyer's balance fell by its deposits, to the unit",
      holds: off.length === 0 && deposits === ledger.deposits,
      found: off.length === 0 ? `${ledger.deposits} deposits, ${usdc(deposited)}` : `${off.length} are off: ${off[0]}`,
    },
    {
      name: "deposits minus what is refundable were claimed, swept and paid to the payee, to the unit",
      holds: [claimed, swept, change(payee)].every((amount) => amount === due) && ledger.unswept === 0n,
      found:
        `${usdc(deposited)} − ${usdc(refundable)} = ${usdc(claimed)} claimed, ${usdc(swept)} swept, ` +
        `${usdc(change(payee))} the payee's`,
    },
    {
      name: "the contract holds what is refundable, and nothing else",
      holds: change(contract) === refundable,
      found: usdc(change(contract)),
    },
    {
      name: "the facilitator and the keeper kept nothing",
      holds: kept === 0n,
      found: usdc(kept),
    },
    {
      name: "the server's journal has nothing left to claim",
      holds: unclaimed === 0n,
      found: usdc(unclaimed),
    },
  ];
}

function usdc(amount: bigint): string {
  return `$${formatAmount(amount, 6)}`;
}
