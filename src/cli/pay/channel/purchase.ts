import type { PaymentPayload, PaymentRequired } from "@x402/core/types";
import type { LocalAccount } from "viem";
import { type ChainClient, connectChain } from "../../../chain/client.ts";
import { TributaryError } from "../../../errors.ts";
import { max } from "../../../money.ts";
import { UsageError } from "../../exit/errors.ts";
import { notice } from "../../output/output.ts";
import { baseOf, headersOf } from "../channelPayment.ts";
import type { Offer } from "../offer.ts";
import {
  findOpenPayment,
  findOpenVouchers,
  forget,
  keepOpenVoucher,
  noteCharged,
  type OpenVoucher,
  replaceOpenVoucher,
} from "../openPayments.ts";
import { type Answer, type Purchase, sendHeaders } from "../request.ts";
import { type Account, type Channel, type ChannelBook, openChannelBook } from "./book.ts";
import { type ChannelFacts, readChannelFacts, readGenesis } from "./chain.ts";
import type { Correction } from "./correction.ts";
import { findAccount } from "./findAccount.ts";
import { channelOf, type DepositLimits, signNext } from "./sign.ts";
import { tell, usdc } from "./tell.ts";
import { judge, type Verdict } from "./verdict.ts";

/** What a seller asks for, and who pays. */
export type Order = {
  readonly asked: PaymentRequired;
  readonly offer: Offer;
  readonly signer: LocalAccount;
};

export type ChannelOptions = DepositLimits & { readonly rpcUrl: string; readonly json: boolean };

/**
 * Buys through the channel of an offer. Opens the channel or adds to its deposit if that is needed.
 * @throws UsageError if nothing was signed; CommandError if the server did not sell.
 */
export async function buyThroughChannel(purchase: Purchase, order: Order, options: ChannelOptions): Promise<void> {
  const { offer, signer } = order;
  const client = await connectChain(options.rpcUrl, { expectedChainId: offer.network.chainId });
  const channel = channelOf(signer, offer);
  const book = await openChannelBook(channel, await readGenesis(client));
  try {
    await requireNoDepositUnderWay(client, channel);
    await findAccount(book, { client, purchase, order, channel });
    await catchUp(book);
    let first: PaymentPayload | undefined;
    for (;;) {
      const account = accountIn(book, 0n);
      const facts = await readChannelFacts(client, { ...channel, deposit: account.deposit });
      const known = { charged: max(account.charged, facts.totalClaimed), balance: balanceIn(facts, account) };
      const isSecond = first !== undefined;
      const payload = await signNext(signer, order, known, options, first);
      const headers = headersOf(payload);
      // Kept on disk before any of it leaves this process.
      const open = await (isSecond ? replaceOpenVoucher : keepOpenVoucher)(purchase, headers);
      const added = open.payment.deposit?.amount ?? 0n;
      if (added > 0n && !isSecond && !options.json) {
        const { channelId, config } = channel;
        notice(
          `deposit: ${usdc(added)} USDC into channel ${channelId} (withdrawal without the seller: ${config.withdrawDelay} s)`,
        );
      }

      const answer = await sendHeaders(purchase, headers);
      const verdict = await judge(answer, open.payment);
      const balance = known.balance + added;
      const hasEnough = (charged: bigint): boolean => added === 0n || charged + open.payment.price <= balance;
      if (
        verdict.status === "corrected" &&
        !isSecond &&
        hasEnough(verdict.correction.charged) &&
        (await isForAnother(book, open, verdict.correction))
      ) {
        first = payload;
        continue;
      }
      return await conclude(book, { purchase, open, answer, verdict, balance }, options);
    }
  } finally {
    book.close();
  }
}

/**
 * Sends the payment of an earlier run again, without its deposit if that was already made.
 * @returns False if there is none left to send. Then another one may be signed.
 * @throws CommandError if the server does not sell for it.
 */
export async function resumeThroughChannel(
  purchase: Purchase,
  { payment: channel }: OpenVoucher,
  options: ChannelOptions & { readonly again: boolean },
): Promise<boolean> {
  const { channelId } = channel;
  const book = await openChannelBook(channel, undefined);
  try {
    // Looks it up again, now that no other process uses the channel.
    const open = await findOpenPayment(purchase);
    if (open?.scheme !== "batch-settlement" || open.payment.channelId !== channelId) return false;
    const { payment } = open;
    await catchUp(book);
    if (options.again) {
      await giveUp(book, open);
      const made = payment.deposit === undefined ? "" : ", and its deposit may have been made, or may still be made";
      notice(`notice: the earlier payment, of ${usdc(payment.price)} USDC, may have been charged${made}`);
      return false;
    }
    const facts = await askChain(open, options.rpcUrl);
    const balance = facts?.balance;
    const isClaimed = facts !== undefined && facts.totalClaimed > accountIn(book, baseOf(payment)).ceiling;
    if (open.isCharged || isClaimed) {
      const charged = max(facts?.totalClaimed ?? 0n, accountIn(book, baseOf(payment)).charged);
      if (!open.isCharged) await takeUp(book, open, { charged, ceiling: payment.ceiling });
      const why = isClaimed ? "it was claimed" : "an earlier run was told so";
      const left = balance === undefined ? undefined : balance - charged;
      const shown = { paid: payment.price, charged, left, transaction: undefined };
      tell(payment, { url: purchase.url, status: null, body: null, outcome: "paid", why, ...shown }, options.json);
      return true;
    }
    const isCovered = balance !== undefined && balance >= payment.ceiling;
    if (payment.deposit !== undefined && !isCovered && facts !== undefined && facts.deposit !== "open") {
      await forget(open);
      notice("notice: the deposit of the earlier payment was not made and never will be; nothing was charged for it");
      return false;
    }
    const isAlone = payment.deposit === undefined || isCovered;
    notice(`notice: sending the same voucher again, for channel ${channelId}${isAlone ? "" : ", with its deposit"}`);
    const answer = await sendHeaders(purchase, isAlone ? payment.voucherHeaders : open.headers);
    const verdict = await judge(answer, payment);
    // A deposit that may still be made must not be forgotten, or the next voucher would bring a second one.
    if (verdict.status === "corrected" && isAlone && isOutOfStep(book, open, verdict.correction)) {
      // Its ceiling is not taken up: what is charged beyond the others after all, no purchase was told of.
      await forget(open);
      await book.keep({ ...accountIn(book, 0n), charged: verdict.correction.charged });
      notice("notice: the earlier payment was not charged, and starts from a total that the seller no longer has");
      return false;
    }
    const added = isAlone ? 0n : (payment.deposit?.amount ?? 0n);
    const held = balance === undefined ? undefined : balance + added;
    await conclude(book, { purchase, open, answer, verdict, balance: held }, options);
    return true;
  } finally {
    book.close();
  }
}

type Conclusion = {
  readonly purchase: Purchase;
  readonly open: OpenVoucher;
  readonly answer: Answer | { readonly lost: string };
  readonly verdict: Verdict;
  /** What the channel holds now; undefined if no node answered. */
  readonly balance: bigint | undefined;
};

/** Writes down what became of a payment and reports it. In this order, a crash causes no second payment. */
async function conclude(book: ChannelBook, conclusion: Conclusion, { json }: ChannelOptions): Promise<void> {
  const { purchase, open, answer, verdict, balance } = conclusion;
  const { payment } = open;
  const base = baseOf(payment);
  const before = accountIn(book, base);
  const seen = {
    url: purchase.url,
    status: "lost" in answer ? null : answer.status,
    body: "lost" in answer ? null : answer.body,
  };
  const leftOf = (charged: bigint) => (balance === undefined ? undefined : balance - charged);
  switch (verdict.status) {
    case "sold": {
      await noteCharged(open);
      const ceiling = max(before.ceiling, payment.ceiling);
      const deposit = payment.deposit ?? before.deposit;
      await book.keep({ charged: verdict.charged ?? base, ceiling, deposit });
      const charged = verdict.charged ?? payment.ceiling;
      const { transaction } = verdict;
      const shown = { paid: charged - base, charged, left: leftOf(charged), transaction };
      tell(payment, { ...seen, outcome: "sold", why: "", ...shown }, json);
      await forget(open);
      return;
    }
    case "corrected": {
      const { correction, why } = verdict;
      const isPaid = correction.charged > before.ceiling;
      if (isPaid) await takeUp(book, open, correction);
      const { charged } = accountIn(book, base);
      const [outcome, paid] = isPaid ? (["paid", payment.price] as const) : (["refused", 0n] as const);
      const shown = { paid, charged, left: leftOf(charged), transaction: undefined };
      return tell(payment, { ...seen, outcome, why, ...shown }, json);
    }
    default: {
      const { charged } = before;
      const { status: outcome, why } = verdict;
      const shown = { paid: 0n, charged, left: undefined, transaction: undefined };
      return tell(payment, { ...seen, outcome, why, ...shown }, json);
    }
  }
}

/**
 * Whether the seller's total leaves the payment uncharged, so that the next voucher may start from that total. A total
 * above everything that this folder knows means that an open payment was charged: another one if there is one, else
 * this one.
 */
async function isForAnother(book: ChannelBook, open: OpenVoucher, correction: Correction): Promise<boolean> {
  if (isOutOfStep(book, open, correction)) {
    await book.keep({ ...accountIn(book, 0n), charged: correction.charged });
    return true;
  }
  if (correction.charged <= accountIn(book, 0n).ceiling) return false;
  const others = await othersBelow(open, correction.charged);
  if (others.length === 0) return false;
  for (const other of others) await noteCharged(other);
  await keepCorrection(book, correction, others);
  return true;
}

/** Whether the seller's total differs from the payment's base, but is no more than this folder knows of. */
function isOutOfStep(book: ChannelBook, { payment }: OpenVoucher, { charged }: Correction): boolean {
  const base = baseOf(payment);
  return charged <= accountIn(book, base).ceiling && charged !== base;
}

/** Notes that a payment was charged, and with it every other open payment that may have been. */
async function takeUp(book: ChannelBook, open: OpenVoucher, correction: Correction): Promise<void> {
  const charged = [open, ...(await othersBelow(open, correction.charged))];
  for (const one of charged) await noteCharged(one);
  await keepCorrection(book, correction, charged);
}

async function keepCorrection(
  book: ChannelBook,
  correction: Correction,
  charged: readonly OpenVoucher[],
): Promise<void> {
  const { ceiling, deposit: before } = accountIn(book, 0n);
  // Only one deposit at a time is under way, and a seller that has the voucher has its deposit.
  const deposit = charged.map(({ payment }) => payment.deposit).find((one) => one !== undefined) ?? before;
  const ceilings = [correction.ceiling, ...charged.map(({ payment }) => payment.ceiling)];
  await book.keep({ charged: correction.charged, ceiling: ceilings.reduce(max, ceiling), deposit });
}

/** Open payments of other purchases through the same channel that may have been charged. */
async function othersBelow({ path, payment }: OpenVoucher, charged: bigint): Promise<readonly OpenVoucher[]> {
  const open = await findOpenVouchers(payment.channelId);
  return open.filter((one) => one.path !== path && !one.isCharged && baseOf(one.payment) < charged);
}

/** A killed run may have noted a charge with the payment, but not in the channel's account. */
async function catchUp(book: ChannelBook): Promise<void> {
  const account = book.account();
  if (account === undefined) return;
  const charged = (await findOpenVouchers(book.channelId)).filter(({ isCharged }) => isCharged);
  const ceiling = charged.map(({ payment }) => payment.ceiling).reduce(max, account.ceiling);
  if (ceiling > account.ceiling) await book.keep({ ...account, ceiling });
}

/** Forgets a payment that its payer gives up. The seller may still charge it, so its ceiling is remembered. */
async function giveUp(book: ChannelBook, open: OpenVoucher): Promise<void> {
  const account = accountIn(book, baseOf(open.payment));
  await book.keep({ ...account, ceiling: max(account.ceiling, open.payment.ceiling) });
  await forget(open);
}

/** @param base The total that counts as charged if there is no account. */
function accountIn(book: ChannelBook, base: bigint): Account {
  return book.account() ?? { charged: base, ceiling: base, deposit: undefined };
}

/** What a channel holds, plus a deposit that is on its way according to the seller. */
export function balanceIn(facts: ChannelFacts, { deposit }: Account): bigint {
  return facts.balance + (facts.deposit === "open" ? (deposit?.amount ?? 0n) : 0n);
}

async function askChain({ payment }: OpenVoucher, rpcUrl: string): Promise<ChannelFacts | undefined> {
  try {
    const client = await connectChain(rpcUrl, { expectedChainId: payment.network.chainId });
    return await readChannelFacts(client, payment);
  } catch (error) {
    if (error instanceof TributaryError) return undefined;
    throw error;
  }
}

/** If a deposit may still be made, a second one could take twice what is needed from the payer. */
async function requireNoDepositUnderWay(client: ChainClient, channel: Channel): Promise<void> {
  for (const { payment, url, isCharged } of await findOpenVouchers(channel.channelId)) {
    if (isCharged || payment.deposit === undefined) continue;
    const { balance, deposit } = await readChannelFacts(client, payment);
    if (deposit !== "open" || balance >= payment.ceiling) continue;
    throw new UsageError(
      `A deposit of ${usdc(payment.deposit.amount)} USDC into the same channel may be on its way; nothing was paid.`,
      { details: `It was signed to buy ${url}.`, hint: "Run that purchase again first: it reports the outcome." },
    );
  }
}
