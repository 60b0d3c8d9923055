import { type Address, type Hex, isAddressEqual } from "viem";
import { decodeChannelCall } from "../../channels/decode.ts";
import { readFees } from "../statement.ts";
import { dayOf, earningOf } from "../store/earning.ts";
import type { ChannelEvent } from "../store/ledgerTypes.ts";
import { OPEN_STATES, type PaymentRow, type PaymentState, type Store } from "../store/types.ts";
import {
  createEarningsBook,
  type EarningsAmounts,
  type EarningsBook,
  type EarningsFilter,
  type EarningsRow,
} from "./book.ts";
import { everyChannel, everyRow, unclaimedOf } from "./channels.ts";
import { settlementOf } from "./terms.ts";

export type EarningsQuery = EarningsFilter & {
  readonly chainId: number;
  readonly token: Address;
  /** Whose a payee is, where the journal does not say which merchant brought a payment. */
  readonly merchantOf?: ((payee: Address) => string | undefined) | undefined;
};

/** A seller's statement. */
export type Earnings = {
  readonly chainId: number;
  readonly token: Address;
  /** By day, payee and merchant. */
  readonly rows: readonly EarningsRow[];
  /** Of these rows. */
  readonly totals: EarningsAmounts;
  /**
   * What the chain's transactions of this journal took beside that: for payments that did not settle, for nothing at all, and for
   * other tokens. Undefined where a filter leaves rows out.
   */
  readonly otherwise: Pick<EarningsAmounts, "gas" | "feeWei"> | undefined;
};

type Context = Required<Pick<EarningsQuery, "chainId" | "token">> & {
  readonly store: Store;
  readonly book: EarningsBook;
  readonly merchantOf: (payee: Address) => string | undefined;
};

const PAID_STATES = ["settled", "settled-elsewhere", "already-used"] as const;

/**
 * What was earned in a token, by day, payee and merchant, over batches and channels, out of the journal alone. Each amount is in
 * the row of the day on which it came where it is:
 * - earned: the payment settled, the channel was charged;
 * - on its way: the payment was accepted; unclaimed: charged; unswept: claimed. These are as of now;
 * - paid out: the payment settled, the sweep was mined. Gas and fee are on the day of what they were for.
 *
 * Over all days, earned = unclaimed + unswept + paid out. Claims and sweeps are those that a keeper of this journal made or read
 * on the chain.
 * @throws EarningsError where a day of the filter is none.
 */
export async function readEarnings(store: Store, query: EarningsQuery): Promise<Earnings> {
  const { chainId, token, merchantOf = () => undefined } = query;
  const book = createEarningsBook(query);
  const context: Context = { store, chainId, token, book, merchantOf };
  await addPayments(context);
  await addCharges(context);
  await addEvents(context);
  const totals = book.totals();
  const { since, until, payees, merchants } = query;
  const isAll = [since, until, payees, merchants].every((one) => one === undefined);
  const fees = isAll ? await readFees(store, chainId) : undefined;
  const otherwise =
    fees === undefined ? undefined : { gas: fees.gasUsed - totals.gas, feeWei: fees.feesWei - totals.feeWei };
  return { chainId, token, rows: book.rows(), totals, otherwise };
}

async function addPayments(context: Context): Promise<void> {
  const { store, chainId, token, book, merchantOf } = context;
  const inState = (state: PaymentState) => everyRow((page) => store.list({ chainId, states: [state], ...page }));
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
      const times = await store.enteredAt(rows.map(({ id }) => id));
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

/** Gas and fee of a call about channels, shared out among the payees by the channels of each. */
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

/** A whole in so many parts, which add up to it. */
function sharesOf(whole: bigint, parts: number): bigint[] {
  const count = BigInt(parts);
  return Array.from({ length: parts }, (_, i) => (whole * BigInt(i + 1)) / count - (whole * BigInt(i)) / count);
}

/** What channels were charged by day, and of that what is not claimed: the oldest charges are claimed first. */
async function addCharges({ store, chainId, token, book, merchantOf }: Context): Promise<void> {
  type Open = {
    readonly left: bigint;
    readonly receiver: Address;
    readonly sinceDay: number;
    readonly days: { day: number; amount: bigint }[];
  };
  const open = new Map<Hex, Open>();
  for await (const page of everyChannel(store, chainId)) {
    for (const row of page) {
      const { receiver, token: its } = row.record.channelConfig as { receiver: Address; token: Address };
      if (!isAddressEqual(its, token)) continue;
      const today = earningOf(row);
      if (today !== undefined) book.add(today.day, receiver, merchantOf(receiver), { earned: today.amount });
      const left = unclaimedOf(row);
      const sinceDay = dayOf(row.unclaimedSinceMs ?? row.record.lastRequestTimestamp);
      const days = today === undefined ? [] : [today];
      if (left > 0n) open.set(row.channelId, { left, receiver, sinceDay, days });
    }
  }
  for await (const page of everyRow((query) => store.channelDays({ chainId, ...query }))) {
    for (const { channelId, receiver, token: its, day, amount } of page) {
      if (!isAddressEqual(its, token)) continue;
      book.add(day, receiver, merchantOf(receiver), { earned: amount });
      open.get(channelId)?.days.push({ day, amount });
    }
  }
  for (const { left, receiver, sinceDay, days } of open.values()) {
    let rest = left;
    // Charged before this journal knew the channel.
    if (days.length === 0) days.push({ day: sinceDay, amount: left });
    days.sort((a, b) => b.day - a.day);
    for (const [index, { day, amount }] of days.entries()) {
      const part = index === days.length - 1 || rest < amount ? rest : amount;
      if (part !== 0n) book.add(day, receiver, merchantOf(receiver), { unclaimed: part });
      rest -= part;
    }
  }
}

/** What was swept by day, and of what was claimed what is not swept: the oldest claims are swept first. */
async function addEvents({ store, chainId, token, book, merchantOf }: Context): Promise<void> {
  const events: ChannelEvent[] = [];
  for await (const page of everyRow((query) => store.channelEvents({ chainId, ...query }))) {
    for (const event of page) {
      const isWanted = event.kind === "claim" || event.kind === "sweep";
      if (isWanted && isAddressEqual(event.token, token)) events.push(event);
    }
  }
  events.sort((a, b) => Number(a.blockNumber - b.blockNumber) || a.logIndex - b.logIndex);
  const waiting = new Map<Address, { day: number; amount: bigint }[]>();
  for (const { kind, receiver, amount, timestampSeconds } of events) {
    const day = dayOf(timestampSeconds * 1000);
    const claims = waiting.get(receiver) ?? [];
    waiting.set(receiver, claims);
    if (kind === "claim") {
      claims.push({ day, amount });
      continue;
    }
    book.add(day, receiver, merchantOf(receiver), { paidOut: amount });
    for (let rest = amount; rest > 0n; ) {
      const first = claims[0];
      // Claimed before a keeper read the chain.
      if (first === undefined) break;
      const part = rest < first.amount ? rest : first.amount;
      rest -= part;
      first.amount -= part;
      if (first.amount === 0n) claims.shift();
    }
  }
  for (const [receiver, claims] of waiting) {
    for (const { day, amount } of claims) book.add(day, receiver, merchantOf(receiver), { unswept: amount });
  }
}

/** The merchant who brought a payment: its id, before a colon where an Idempotency-Key follows. */
function merchantIn(bringer: string | undefined): string | undefined {
  return bringer?.split(":", 1)[0];
}
