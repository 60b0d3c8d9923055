import { signVoucher } from "@x402/evm/batch-settlement/client";
import type { ChainClient } from "../../../chain/client.ts";
import { CommandError } from "../../exit/errors.ts";
import { EXIT } from "../../process/exitCodes.ts";
import { headersOf } from "../channelPayment.ts";
import { type Purchase, sendHeaders } from "../request.ts";
import type { Channel, ChannelBook } from "./book.ts";
import { readChannelFacts } from "./chain.ts";
import { type Correction, readCorrection } from "./correction.ts";
import type { Order } from "./purchase.ts";

type Search = {
  readonly client: ChainClient;
  readonly purchase: Purchase;
  readonly order: Order;
  readonly channel: Channel;
};

/** Starts the account of a channel that this folder does not know: another folder used it, or its files are lost. */
export async function findAccount(book: ChannelBook, search: Search): Promise<void> {
  if (book.account() !== undefined) return;
  const { balance, totalClaimed } = await readChannelFacts(search.client, { ...search.channel, deposit: undefined });
  const isNew = balance === 0n && totalClaimed === 0n;
  const correction = isNew ? undefined : await askSeller(search, totalClaimed);
  const { charged = totalClaimed, ceiling = totalClaimed } = correction ?? {};
  const least = charged > totalClaimed ? charged : totalClaimed;
  await book.keep({ charged: least, ceiling: ceiling > least ? ceiling : least, deposit: undefined });
}

/**
 * Asks a seller for the total that it has charged, with a voucher for what was already claimed. That voucher allows
 * nothing new, so the seller serves no request for it; a seller that refuses it states its own total.
 */
async function askSeller({ purchase, order, channel }: Search, totalClaimed: bigint): Promise<Correction | undefined> {
  const { asked, offer, signer } = order;
  const { channelId, config, network } = channel;
  // The packages' types allow any record as an EIP-712 message; viem's do not.
  const voucherSigner = signer as unknown as Parameters<typeof signVoucher>[0];
  const voucher = await signVoucher(voucherSigner, channelId, totalClaimed.toString(), network.caip2);
  const { resource, extensions } = asked;
  const answer = await sendHeaders(
    purchase,
    headersOf({
      x402Version: 2,
      ...(resource === undefined ? {} : { resource }),
      ...(extensions === undefined ? {} : { extensions }),
      accepted: offer.accepts,
      payload: { type: "voucher", channelConfig: config, voucher },
    }),
  );
  if ("lost" in answer) {
    throw new CommandError(
      "The seller did not say what it has charged in the channel; nothing was paid.",
      EXIT.failure,
      {
        details: answer.lost,
        hint: "Run the same command again: this folder has no account of the channel, and needs the seller's.",
      },
    );
  }
  return readCorrection(answer, channel);
}
