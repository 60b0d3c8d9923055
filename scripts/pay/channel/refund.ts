import type { SettleResponse } from "@x402/core/types";
import { toClientEvmSigner } from "@x402/evm";
import type { BatchSettlementClientContext } from "@x402/evm/batch-settlement/client";
import type { LocalAccount } from "viem";
import { type ChainClient, connectChain } from "../../../src/chain/client.ts";
import { CommandError, UsageError } from "../../cli/errors.ts";
import { EXIT } from "../../cli/exitCodes.ts";
import { notice, printJson, printLine } from "../../cli/output.ts";
import type { Offer } from "../offer.ts";
import { findOpenVouchers, noteCharged } from "../openPayments.ts";
import type { Purchase } from "../request.ts";
import { type Channel, type ChannelBook, openChannelBook } from "./book.ts";
import { readChannelFacts, readGenesis } from "./chain.ts";
import { usdc } from "./outcome.ts";
import { baseOf } from "./payment.ts";
import { balanceIn, larger } from "./purchase.ts";
import { channelOf, schemeOf } from "./sign.ts";

type RefundOptions = {
  /** In atomic units; all that is left where it is left out. */
  readonly amount: bigint | undefined;
  readonly rpcUrl: string;
  readonly json: boolean;
};

/**
 * Asks the seller to send back what is left in the channel of an offer.
 * @throws CommandError where it does not, or where nobody knows.
 */
export async function refundChannel(
  purchase: Purchase,
  { offer, signer }: { readonly offer: Offer; readonly signer: LocalAccount },
  options: RefundOptions,
): Promise<void> {
  const client = await connectChain(options.rpcUrl, { expectedChainId: offer.network.chainId });
  const channel = channelOf(signer, offer);
  const book = await openChannelBook(channel, await readGenesis(client));
  try {
    const account = book.account();
    const facts = await readChannelFacts(client, { ...channel, deposit: account?.deposit });
    const charged = larger(account?.charged ?? 0n, facts.totalClaimed);
    const balance = account === undefined ? facts.balance : balanceIn(facts, account);
    const left = balance - charged;
    if (left <= 0n) return say({ url: purchase.url, channel, refunded: 0n, charged, left: 0n }, options.json);
    if (options.amount !== undefined && options.amount > left) {
      throw new UsageError(`There are ${usdc(left)} USDC left in the channel, less than ${usdc(options.amount)}.`, {
        hint: "Pass --refund without an amount for all that is left.",
      });
    }
    const asked = await ask(purchase, { client, signer, known: { charged, balance } }, options.amount);
    await keepCharged(book, asked.charged);
    const refunded = BigInt(asked.response.amount ?? 0);
    const { transaction } = asked.response;
    const now = balance - refunded - asked.charged;
    say({ url: purchase.url, channel, refunded, charged: asked.charged, left: now, transaction }, options.json);
  } finally {
    book.close();
  }
}

type Asking = {
  readonly client: ChainClient;
  readonly signer: LocalAccount;
  readonly known: { readonly charged: bigint; readonly balance: bigint };
};

/** The official client's refund, and what the seller has charged in all by the voucher that was signed for it. */
async function ask(
  { url, method, data }: Purchase,
  { client, signer, known }: Asking,
  amount: bigint | undefined,
): Promise<{ response: SettleResponse; charged: bigint }> {
  let context: BatchSettlementClientContext = {
    chargedCumulativeAmount: known.charged.toString(),
    balance: known.balance.toString(),
  };
  // The packages type ABIs and EIP-712 messages as records of anything.
  const reading = toClientEvmSigner(signer as unknown as Parameters<typeof toClientEvmSigner>[0], {
    readContract: (args) => client.readContract(args as Parameters<ChainClient["readContract"]>[0]),
  });
  const scheme = schemeOf(reading as unknown as LocalAccount, {
    storage: {
      get: async () => context,
      set: async (_, next) => {
        context = { ...context, ...next };
      },
      delete: async () => undefined,
    },
  });
  let last: "no answer" | number = "no answer";
  const interrupted = new AbortController();
  const onSignal = (): void => interrupted.abort();
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    const response = await scheme.refund(url, {
      ...(amount === undefined ? {} : { amount: amount.toString() }),
      fetch: async (input, init) => {
        last = "no answer";
        const headers = { ...init?.headers, ...(data === undefined ? {} : { "content-type": "application/json" }) };
        const body = data === undefined ? {} : { body: data };
        const answer = await fetch(input, { ...init, method, headers, ...body, signal: interrupted.signal });
        last = answer.status;
        return answer;
      },
    });
    if (response.success) return { response, charged: BigInt(context.chargedCumulativeAmount ?? 0) };
    throw new Error(response.errorReason ?? "no reason was given");
  } catch (cause) {
    throw failure(cause, last);
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

function failure(cause: unknown, last: "no answer" | number): CommandError {
  const details = cause instanceof Error ? cause.message : String(cause);
  const isUnclear = last === "no answer" || last >= 500 || /settlement_pending|channel_busy/.test(details);
  if (!isUnclear) {
    return new CommandError("The seller did not refund the channel.", EXIT.unsettled, {
      details,
      hint: "Ask the seller. Without it, the payer's own withdrawal (docs/pay.md) takes back what is not claimed.",
      cause,
    });
  }
  return new CommandError("Whether the channel was refunded is unknown.", EXIT.unknown, {
    details: last === "no answer" ? "The answer did not arrive." : details,
    hint: "Run the same command again: it looks at the chain, and what was sent back is in your account.",
    cause,
  });
}

/** What was charged, as the voucher of the refund says it: payments whose answer was lost may be in it. */
async function keepCharged(book: ChannelBook, charged: bigint): Promise<void> {
  const { ceiling = 0n } = book.account() ?? {};
  if (charged > ceiling) {
    for (const open of await findOpenVouchers(book.channelId)) {
      if (!open.isCharged && baseOf(open.payment) < charged) await noteCharged(open);
    }
  }
  await book.keep({ charged, ceiling: larger(ceiling, charged), deposit: undefined });
}

type Said = {
  readonly url: string;
  readonly channel: Channel;
  readonly refunded: bigint;
  readonly charged: bigint;
  readonly left: bigint;
  readonly transaction?: string;
};

function say({ url, channel, refunded, charged, left, transaction }: Said, isJson: boolean): void {
  const { channelId, network } = channel;
  if (isJson) {
    const shown = { id: channelId, charged, left };
    printJson({ url, refunded, network: network.caip2, transaction: transaction ?? null, channel: shown });
    return;
  }
  if (refunded === 0n) notice(`nothing is left in channel ${channelId}`);
  else printLine(`refunded ${usdc(refunded)} USDC of channel ${channelId}: transaction ${transaction}`);
  if (left > 0n) notice(`${usdc(left)} USDC left in it`);
}
