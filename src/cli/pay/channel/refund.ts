import { setTimeout as sleep } from "node:timers/promises";
import { encodePaymentRequiredHeader } from "@x402/core/http";
import { toClientEvmSigner } from "@x402/evm";
import type { BatchSettlementClientContext } from "@x402/evm/batch-settlement/client";
import type { LocalAccount } from "viem";
import { type ChainClient, connectChain } from "../../../chain/client.ts";
import { max } from "../../../money.ts";
import { CommandError, UsageError } from "../../exit/errors.ts";
import { notice, printJson, printLine } from "../../output/output.ts";
import { EXIT } from "../../process/exitCodes.ts";
import { listenForStop } from "../../process/stopSignals.ts";
import { baseOf } from "../channelPayment.ts";
import { shown } from "../offer.ts";
import { findOpenVouchers, noteCharged } from "../openPayments.ts";
import type { Purchase } from "../request.ts";
import { type Account, type Channel, type ChannelBook, openChannelBook } from "./book.ts";
import { readChannelFacts, readGenesis } from "./chain.ts";
import { balanceIn, type Order } from "./purchase.ts";
import { channelOf, schemeOf } from "./sign.ts";
import { usdc } from "./tell.ts";

type RefundOptions = {
  /** In atomic units; undefined means all that is left. */
  readonly amount: bigint | undefined;
  readonly rpcUrl: string;
  readonly json: boolean;
};

/**
 * Asks the seller to send back what is left in the channel of an offer, and reads from the chain what came back.
 * @throws CommandError if nothing came back, or if that is unknown.
 */
export async function refundChannel(purchase: Purchase, order: Order, options: RefundOptions): Promise<void> {
  const { offer, signer } = order;
  const client = await connectChain(options.rpcUrl, { expectedChainId: offer.network.chainId });
  const channel = channelOf(signer, offer);
  const book = await openChannelBook(channel, await readGenesis(client));
  try {
    const account = book.account();
    const facts = await readChannelFacts(client, { ...channel, deposit: account?.deposit });
    const charged = max(account?.charged ?? 0n, facts.totalClaimed);
    const balance = account === undefined ? facts.balance : balanceIn(facts, account);
    const left = balance - charged;
    if (left <= 0n) return say({ url: purchase.url, channel, refunded: 0n, charged, left: 0n }, options.json);
    if (options.amount !== undefined && options.amount > left) {
      throw new UsageError(`There are ${usdc(left)} USDC left in the channel, less than ${usdc(options.amount)}.`, {
        hint: "Pass --refund without an amount for all that is left.",
      });
    }
    const asked = await ask(purchase, { client, order, channel, known: { charged, balance } }, options.amount);
    await keepCharged(book, asked.charged);
    const refunded = balance - (await readBalanceBelow(balance, client, channel, account));
    if (refunded <= 0n) throw unseen(channel, asked.transaction);
    const { transaction } = asked;
    const now = balance - refunded - asked.charged;
    say({ url: purchase.url, channel, refunded, charged: asked.charged, left: now, transaction }, options.json);
  } finally {
    book.close();
  }
}

/** How often to look for a refund that the seller reports: the buyer's node may be some blocks behind the seller's. */
const LOOKS = 6;
const LOOK_EVERY_MS = 1_000;

/** What the channel holds, once that is less than before; `before` if the chain shows no refund. */
async function readBalanceBelow(
  before: bigint,
  client: ChainClient,
  channel: Channel,
  account: Account | undefined,
): Promise<bigint> {
  for (let look = 1; ; look += 1) {
    const facts = await readChannelFacts(client, { ...channel, deposit: account?.deposit });
    const balance = account === undefined ? facts.balance : balanceIn(facts, account);
    if (balance < before || look === LOOKS) return balance < before ? balance : before;
    await sleep(LOOK_EVERY_MS);
  }
}

function unseen({ channelId }: Channel, transaction: string | undefined): CommandError {
  return new CommandError(
    "The seller says that it refunded the channel, but the chain does not show it.",
    EXIT.unknown,
    {
      details: `channel ${channelId}${transaction === undefined ? "" : `, transaction ${transaction}`}`,
      hint: "Run the same command again: it checks the chain first. The payer's own withdrawal (docs/pay.md) needs no seller.",
    },
  );
}

type Asking = {
  readonly client: ChainClient;
  readonly order: Order;
  readonly channel: Channel;
  readonly known: { readonly charged: bigint; readonly balance: bigint };
};

/** The total that the seller has charged, from the voucher signed for the refund, and the transaction that it names. */
type Asked = { readonly charged: bigint; readonly transaction: string | undefined };

/**
 * Refunds one channel with the official client. Whatever the seller asks for meanwhile, no voucher of another channel
 * is signed: the charges in one channel say nothing about another.
 */
async function ask(
  { url, method, data }: Purchase,
  { client, order, channel, known }: Asking,
  amount: bigint | undefined,
): Promise<Asked> {
  const { asked, offer, signer } = order;
  let context: BatchSettlementClientContext = {
    chargedCumulativeAmount: known.charged.toString(),
    balance: known.balance.toString(),
  };
  const isThis = (id: string): boolean => id.toLowerCase() === channel.channelId;
  // The packages' types allow any record as an ABI or an EIP-712 message; viem's do not.
  const reading = toClientEvmSigner(signer as unknown as Parameters<typeof toClientEvmSigner>[0], {
    readContract: (args) => client.readContract(args as Parameters<ChainClient["readContract"]>[0]),
  });
  const scheme = schemeOf(reading as unknown as LocalAccount, {
    storage: {
      get: async (id) => {
        if (isThis(id)) return context;
        throw new Error(`The seller asks for a voucher of another channel, ${id}.`);
      },
      // A statement about another channel, proven by that channel's voucher, is ignored.
      set: async (id, next) => {
        if (isThis(id)) context = { ...context, ...next };
      },
      delete: async () => undefined,
    },
  });
  let last: Last = "not sent";
  const { signal, forget } = listenForStop();
  try {
    const response = await scheme.refund(url, {
      ...(amount === undefined ? {} : { amount: amount.toString() }),
      fetch: async (input, init) => {
        // The client asks for the terms before it signs. They are known, and the seller could change them now.
        if (init?.headers === undefined) return termsOf({ ...asked, accepts: [offer.accepts] });
        last = "no answer";
        const headers = { ...init.headers, ...(data === undefined ? {} : { "content-type": "application/json" }) };
        const body = data === undefined ? {} : { body: data };
        const answer = await fetch(input, { ...init, method, headers, ...body, signal });
        last = answer.status;
        return answer;
      },
    });
    const charged = BigInt(context.chargedCumulativeAmount ?? 0);
    if (response.success) return { charged, transaction: shown(response.transaction) };
    throw new Error(shown(response.errorReason) ?? "no reason was given");
  } catch (cause) {
    throw failure(cause, last);
  } finally {
    forget();
  }
}

function termsOf(asked: Order["asked"]): Response {
  return new Response("{}", { status: 402, headers: { "PAYMENT-REQUIRED": encodePaymentRequiredHeader(asked) } });
}

/** The status of the newest answer to a voucher. */
type Last = "not sent" | "no answer" | number;

function failure(cause: unknown, last: Last): CommandError {
  const details = shown(cause instanceof Error ? cause.message : String(cause)) ?? "";
  const isUnclear =
    last === "no answer" || (last !== "not sent" && last >= 500) || /settlement_pending|channel_busy/.test(details);
  if (!isUnclear) {
    return new CommandError("The seller did not refund the channel.", EXIT.unsettled, {
      details,
      hint: "Ask the seller. Without the seller, the payer's own withdrawal (docs/pay.md) takes back what is not claimed.",
      cause,
    });
  }
  return new CommandError("Whether the channel was refunded is unknown.", EXIT.unknown, {
    details: last === "no answer" ? "The answer did not arrive." : details,
    hint: "Run the same command again: it checks the chain, and what was sent back is in your account.",
    cause,
  });
}

/** Keeps the total that the refund's voucher states. It may include payments whose answer was lost. */
async function keepCharged(book: ChannelBook, charged: bigint): Promise<void> {
  const { ceiling = 0n } = book.account() ?? {};
  if (charged > ceiling) {
    for (const open of await findOpenVouchers(book.channelId)) {
      if (!open.isCharged && baseOf(open.payment) < charged) await noteCharged(open);
    }
  }
  await book.keep({ charged, ceiling: max(ceiling, charged), deposit: undefined });
}

type Said = {
  readonly url: string;
  readonly channel: Channel;
  readonly refunded: bigint;
  readonly charged: bigint;
  readonly left: bigint;
  readonly transaction?: string | undefined;
};

function say({ url, channel, refunded, charged, left, transaction }: Said, isJson: boolean): void {
  const { channelId, network } = channel;
  if (isJson) {
    const shown = { id: channelId, charged, left };
    printJson({ url, refunded, network: network.caip2, transaction: transaction ?? null, channel: shown });
    return;
  }
  if (refunded === 0n) notice(`nothing is left in channel ${channelId}`);
  else {
    const where = transaction === undefined ? "the seller names no transaction" : `transaction ${transaction}`;
    printLine(`refunded ${usdc(refunded)} USDC of channel ${channelId}: ${where}`);
  }
  if (left > 0n) notice(`${usdc(left)} USDC left in it`);
}
