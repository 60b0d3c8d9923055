import { x402Client, x402HTTPClient } from "@x402/core/client";
import type { PaymentRequired } from "@x402/core/types";
import { registerExactEvmScheme } from "@x402/evm/exact/client";
import { formatAmount } from "../../../money.ts";
import { UsageError } from "../../exit/errors.ts";
import { notice, printJson, printVerbatim } from "../../output/output.ts";
import { EXIT } from "../../process/exitCodes.ts";
import { currentRun } from "../../process/surroundings.ts";
import { buyThroughChannel, type Order, resumeThroughChannel } from "../channel/purchase.ts";
import { refundChannel } from "../channel/refund.ts";
import { type Fate, fateOf } from "../fate.ts";
import {
  cheapest,
  type Offer,
  readPrice,
  requireShortLived,
  SCHEMES,
  type Scheme,
  shown,
  signAsAsked,
} from "../offer.ts";
import {
  findOpenPayment,
  forgetBeforeNext,
  keepOpenAuthorization,
  type OpenAuthorization,
  takeOver,
} from "../openPayments.ts";
import { type Answer, askPrice, type Purchase } from "../request.ts";
import { sendPayment } from "../send.ts";
import type { Options } from "./options.ts";
import { payerOf } from "./payer.ts";

/** Buys a resource, continues an earlier purchase of it, or takes back what a channel holds. */
export async function runPay(url: string, options: Options): Promise<void> {
  const { scheme, deposit, maxDeposit, refund } = options;
  const purchase: Purchase = { url, method: options.method, data: options.data };
  if (deposit !== undefined && scheme === "exact") {
    throw new UsageError("--deposit is for channels; nothing was paid.", { hint: "Add --scheme batch-settlement." });
  }
  if (deposit !== undefined && deposit > maxDeposit) {
    const [wanted, most] = [deposit, maxDeposit].map((amount) => formatAmount(amount, 6));
    throw new UsageError(`The ${wanted} USDC of --deposit is above the ${most} of --max-deposit; nothing was paid.`, {
      hint: "Pass a larger --max-deposit, or a smaller --deposit.",
    });
  }
  if (refund !== undefined) return takeBack(purchase, refund === true ? undefined : refund, options);
  if (!(await resume(purchase, options))) await buy(purchase, options);
}

/** Continues with the payment of an earlier run. False if there is none, or it must not be sent again. */
async function resume(purchase: Purchase, options: Options): Promise<boolean> {
  const before = await findOpenPayment(purchase);
  if (before === undefined) return false;
  if (before.scheme === "batch-settlement") {
    return resumeThroughChannel(purchase, before, { ...channelOptions(options), again: options.again === true });
  }
  const fate = await look(before, options);
  if (fate === undefined) return false;
  await takeOver(purchase, before);
  await sendPayment(purchase, before, { fate, json: options.json === true });
  return true;
}

const channelOptions = ({ deposit, maxDeposit, rpcUrl, json }: Options) => {
  return { deposit, maxDeposit, rpcUrl, json: json === true };
};

/** What became of the payment of an earlier run; undefined if it must not be sent again. */
async function look(payment: OpenAuthorization, { rpcUrl, again }: Options): Promise<Fate | undefined> {
  const { nonce, validBefore } = payment.authorization;
  if (again === true) {
    await forgetBeforeNext(payment);
    const until = new Date(Number(validBefore) * 1000).toISOString();
    notice(`notice: the earlier payment, with the nonce ${nonce}, may have settled, or settle until ${until}`);
    return undefined;
  }
  const fate = await fateOf(payment, rpcUrl);
  if (fate.status === "void") {
    await forgetBeforeNext(payment);
    notice(`notice: the earlier payment, with the nonce ${nonce}, did not settle and never will`);
    return undefined;
  }
  notice(`notice: sending the same payment again, with the nonce ${nonce}: ${FATES[fate.status]}`);
  return fate;
}

const FATES: Readonly<Record<Exclude<Fate["status"], "void">, string>> = {
  paid: "it was paid",
  open: "it may still settle",
  unknown: "no node of its chain says whether it settled (--rpc-url)",
};

export async function buy(purchase: Purchase, options: Options): Promise<void> {
  const { url } = purchase;
  const first = await askPrice(purchase);
  if (first.status !== 402) {
    const { status, ok, body } = first;
    if (options.json === true) printJson({ url, status, paid: "0", transaction: null, body });
    else {
      notice(`${url} answered ${status} without asking for a payment`);
      printVerbatim(body);
    }
    if (!ok) currentRun().exitCode = EXIT.failure;
    return;
  }
  const { asked, offer } = readOffer(first, url, options.scheme);
  const price = formatAmount(offer.amount, 6);
  if (options.json !== true) notice(`price: ${price} USDC on ${offer.network.title}, to ${shown(offer.accepts.payTo)}`);
  if (offer.amount > options.max) {
    throw new UsageError(
      `The price of ${price} USDC is above the ${formatAmount(options.max, 6)} of --max; nothing was paid.`,
      {
        hint: "Pass a larger --max if it is worth that to you.",
      },
    );
  }

  requireShortLived(offer);
  const signer = await payerOf(options, offer.network);
  if (signer.address.toLowerCase() === offer.accepts.payTo.toLowerCase()) {
    throw new UsageError(`${signer.address} would pay itself; nothing was paid.`, {
      hint: "Pay with another key, or have the server name another payee.",
    });
  }
  const order = { asked, offer, signer };
  if (options.scheme === "exact") await buyExactly(purchase, order, options);
  else await buyThroughChannel(purchase, order, channelOptions(options));
}

/** Buys with an authorization for this purchase alone. */
async function buyExactly(purchase: Purchase, { asked, offer, signer }: Order, { json }: Options): Promise<void> {
  // --max was checked already.
  const own = new x402Client().setSpendControls(false);
  const client = new x402HTTPClient(registerExactEvmScheme(own, { signer }));
  const payload = await signAsAsked(client.createPaymentPayload({ ...asked, accepts: [offer.accepts] }));
  // Kept on disk before any of it leaves this process.
  const payment = await keepOpenAuthorization(purchase, client.encodePaymentSignatureHeader(payload));
  await sendPayment(purchase, payment, { fate: { status: "open" }, json: json === true });
}

async function takeBack(purchase: Purchase, amount: bigint | undefined, options: Options): Promise<void> {
  const first = await askPrice(purchase);
  const { asked, offer } = readOffer(first, purchase.url, "batch-settlement");
  const signer = await payerOf(options, offer.network);
  await refundChannel(
    purchase,
    { asked, offer, signer },
    { amount, rpcUrl: options.rpcUrl, json: options.json === true },
  );
}

/** The cheapest offer of a scheme, and everything that the server asks for. */
function readOffer({ headers, body }: Answer, url: string, scheme: Scheme): { asked: PaymentRequired; offer: Offer } {
  const asked = readPrice(new x402HTTPClient(new x402Client()), headers, body, url);
  const offer = cheapest(asked, scheme);
  if (offer !== undefined) return { asked, offer };
  const other = SCHEMES.find((one) => cheapest(asked, one) !== undefined);
  throw new UsageError(`${url} accepts no payment that can be made here with the scheme ${scheme}; nothing was paid.`, {
    hint:
      other === undefined
        ? "Payments are made in USDC, with EIP-3009, with the schemes exact and batch-settlement."
        : `It can be paid with --scheme ${other}.`,
  });
}
