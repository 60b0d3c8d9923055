import { type Address, isAddressEqual } from "viem";
import { decodeChannelCall } from "../../../channels/decode.ts";
import { dayOf } from "../../../journal/channels/earning.ts";
import { everyRow } from "../../../journal/pages.ts";
import type { Journal } from "../../../journal/ports/journal.ts";
import { OPEN_STATES, type PaymentRow, type PaymentState } from "../../../journal/ports/payments.ts";
import { readFees } from "../statement.ts";
import {
  createEarningsBook,
  type EarningsAmounts,
  type EarningsBook,
  type EarningsFilter,
  type EarningsRow,
} from "./book.ts";
import { addChannels } from "./channelEarnings.ts";
import { settlementOf } from "./terms.ts";

/** Whose earnings to read, in which token. */
export type EarningsQuery = EarningsFilter & {
  /** The chain of the token. */
  readonly chainId: number;
  /** The token to state. Amounts are in its atomic units. */
  readonly token: Address;
  /** The merchant that a payee belongs to, for payments of which the journal does not know the merchant. */
  readonly merchantOf?: ((payee: Address) => string | undefined) | undefined;
};

/** A seller's statement. */
export type Earnings = {
  readonly chainId: number;
  readonly token: Address;
  /** By day, payee and merchant. */
  readonly rows: readonly EarningsRow[];
  /** The sums of these rows. */
  readonly totals: EarningsAmounts;
  /**
   * What else this journal's transactions took on the chain: for payments that did not settle, for no-ops, and for
   * other tokens. Undefined if there is a filter.
   */
  readonly otherwise: Pick<EarningsAmounts, "gas" | "feeWei"> | undefined;
  /**
   * Earned minus unclaimed, unswept and paid out: 0 if the journal has read all claims and sweeps of its channels.
   * Above 0, some are older than the blocks that a keeper read; below 0, a sweep paid money from channels that the
   * journal does not know. Undefined if there is a filter.
   */
  readonly difference: bigint | undefined;
};

type Context = Required<Pick<EarningsQuery, "chainId" | "token">> & {
  readonly journal: Journal;
  readonly book: EarningsBook;
  readonly merchantOf: (payee: Address) => string | undefined;
};

const PAID_STATES = ["settled", "settled-elsewhere", "already-used"] as const;

/**
 * What was earned in a token, by day, payee and merchant, in batches and in channels. It reads the journal alone. The
 * day of an amount is that of an event:
 * - earned: the payment settled, or the channel was charged;
 * - on its way: the payment was accepted;
 * - unclaimed: the channel was charged;
 * - unswept: the charges were claimed;
 * - paid out: the payment settled, or the sweep was mined;
 * - gas and fee: the payment settled, or the call was mined.
 *
 * On its way, unclaimed and unswept are as of now. Over all days, earned = unclaimed + unswept + paid out, provided
 * that a keeper of this journal made or read the claims and sweeps on the chain. What a channel was charged before this
 * journal knew it counts as earned on the day of its claim or its sweep.
 * @throws EarningsError if a day of the filter is not a date, or the first is after the last; JournalError if the journal
 * cannot be read.
 */
export async function readEarnings(journal: Journal, query: EarningsQuery): Promise<Earnings> {
  const { chainId, token, merchantOf = () => undefined } = query;
  const book = createEarningsBook(query);
  const context: Context = { journal, chainId, token, book, merchantOf };
  await addPayments(context);
  await addChannels(context);
  const totals = book.totals();
  const { since, until, payees, merchants } = query;
  const isAll = [since, until, payees, merchants].every((one) => one === undefined);
  const fees = isAll ? await readFees(journal, chainId) : undefined;
  const otherwise =
    fees === undefined ? undefined : { gas: fees.gasUsed - totals.gas, feeWei: fees.feesWei - totals.feeWei };
  const { earned, unclaimed, unswept, paidOut } = totals;
  const difference = isAll ? earned - unclaimed - unswept - paidOut : undefined;
  return { chainId, token, rows: book.rows(), totals, otherwise, difference };
}

async function addPayments(context: Context): Promise<void> {
  const { journal, chainId, token, book, merchantOf } = context;
  const inState = (state: PaymentState) => everyRow((page) => journal.list({ chainId, states: [state], ...page }));
  for (const state of OPEN_STATES) {
    for await (const rows of inState(state)) {
      for (const { work, bringer, acceptedAtMs } of rows) {
        if (work.kind !== "authorization" || !isAddressEqual(work.authorization.token, token)) continue;
        const { to, value } = work.authorization;
        book.add(dayOf(acceptedAtMs), to, merchantIn(bringer) ?? merchantOf(to), { onItsWay: value });
      }
    }
  }
  for (const state of PAID_STATES) {
    for await (const rows of inState(state)) {
      const times = await journal.enteredAt(rows.map(({ id }) => id));
      for (const row of rows) {
        const day = dayOf(times.get(row.id) ?? row.updatedAtMs);
        if (row.work.kind === "call") addCall(context, row, day);
        const settlement = settlementOf(row, token);
        if (settlement === undefined) continue;
        const { to, value } = settlement;
        const { evidence } = row;
        const [gas, feeWei] = evidence.kind === "transfer" ? [evidence.gasShare, evidence.feeShareWei] : [0n, 0n];
        const merchant = merchantIn(row.bringer) ?? merchantOf(to);
        book.add(day, to, merchant, { earned: value, paidOut: value, gas, feeWei });
      }
    }
  }
}

/** Shares the gas and the fee of a call about channels equally among its channels, and books them for their payees. */
function addCall({ chainId, token, book, merchantOf }: Context, row: PaymentRow, day: number): void {
  const { work, evidence, bringer } = row;
  const call = work.kind === "call" && evidence.kind === "receipt" ? decodeChannelCall(chainId, work) : undefined;
  if (call === undefined || evidence.kind !== "receipt") return;
  const accounts = call.account === undefined ? call.channels : [call.account];
  const [gas, fees] = [sharesOf(evidence.gasUsed, accounts.length), sharesOf(evidence.feeWei, accounts.length)];
  for (const [index, { receiver, token: its }] of accounts.entries()) {
    if (!isAddressEqual(its, token)) continue;
    const merchant = merchantIn(bringer) ?? merchantOf(receiver);
    book.add(day, receiver, merchant, { gas: gas[index] ?? 0n, feeWei: fees[index] ?? 0n });
  }
}

/** Splits an amount into parts that differ by 1 at most and add up to it. */
function sharesOf(whole: bigint, parts: number): bigint[] {
  const count = BigInt(parts);
  return Array.from({ length: parts }, (_, i) => (whole * BigInt(i + 1)) / count - (whole * BigInt(i)) / count);
}

/** The id of the merchant who brought a payment. If an Idempotency-Key follows, a colon is between them. */
function merchantIn(bringer: string | undefined): string | undefined {
  return bringer?.split(":", 1)[0];
}
