import type { x402HTTPClient } from "@x402/core/client";
import type { PaymentRequired, PaymentRequirements } from "@x402/core/types";
import { z } from "zod";
import { TributaryError } from "../../errors.ts";
import { type Network, networks } from "../../networks.ts";
import { printable } from "../../text.ts";
import { CommandError } from "../exit/errors.ts";
import { EXIT } from "../process/exitCodes.ts";

/** The schemes that can be used to pay. */
export const SCHEMES = ["exact", "batch-settlement"] as const;
export type Scheme = (typeof SCHEMES)[number];

/** A payable offer in USDC. */
export type Offer = { readonly accepts: PaymentRequirements; readonly network: Network; readonly amount: bigint };

/** A week. No honest server asks for a payment that can settle later: the purchase would stay open that long. */
const LONGEST_SECONDS = 604_800;

/** The fields of an offer that are read here; the official client reads the rest. */
const terms = z.looseObject({
  scheme: z.string(),
  network: z.string(),
  asset: z.string(),
  payTo: z.string(),
  maxTimeoutSeconds: z.int().positive(),
  extra: z.looseObject({}).nullish(),
});

/** What a server asks for, in either version of x402. */
export function readPrice(client: x402HTTPClient, headers: Headers, body: string, url: string): PaymentRequired {
  const notX402 = (cause?: unknown): CommandError =>
    new CommandError(`${url} asks for a payment in a way that is not x402.`, EXIT.failure, { cause });
  let asked: unknown;
  try {
    asked = client.getPaymentRequiredResponse((name) => headers.get(name), parsed(body));
  } catch (cause) {
    throw notX402(cause);
  }
  if (!isPrice(asked)) throw notX402();
  return asked;
}

/** The official client accepts anything in the header, so the offers are checked one by one later. */
function isPrice(input: unknown): input is PaymentRequired {
  return z.looseObject({ accepts: z.array(z.unknown()) }).safeParse(input).success;
}

/** The cheapest offer of a scheme in a known USDC. x402 v1 has other names for the amount and the network. */
export function cheapest({ accepts }: PaymentRequired, scheme: Scheme): Offer | undefined {
  const offers = accepts.filter(isOffer).flatMap((one): Offer[] => {
    const name: string = one.network;
    const network = Object.values(networks).find(({ caip2, v1Name }) => name === caip2 || name === v1Name);
    const amount: unknown = one.amount ?? Reflect.get(one, "maxAmountRequired");
    const isPermit2 = one.extra?.assetTransferMethod === "permit2";
    if (network === undefined || one.scheme !== scheme || isPermit2) return [];
    if (typeof amount !== "string" || !/^[0-9]{1,30}$/.test(amount)) return [];
    if (one.asset.toLowerCase() !== network.usdc.address.toLowerCase()) return [];
    return [{ accepts: one, network, amount: BigInt(amount) }];
  });
  return offers.sort((a, b) => (a.amount < b.amount ? -1 : 1))[0];
}

function isOffer(input: unknown): input is PaymentRequirements {
  return terms.safeParse(input).success;
}

/** @throws CommandError if a payment of the offer could settle later than {@link LONGEST_SECONDS} from now. */
export function requireShortLived({ accepts: { maxTimeoutSeconds } }: Offer): void {
  if (maxTimeoutSeconds <= LONGEST_SECONDS) return;
  throw new CommandError(
    `The server asks for a payment that can settle for ${maxTimeoutSeconds} s, above ${LONGEST_SECONDS}; nothing was paid.`,
    EXIT.failure,
    { hint: "Tell the seller: maxTimeoutSeconds is how long it may take to settle a payment, usually some minutes." },
  );
}

/**
 * Waits for the official client to sign what a server asks for.
 * @throws CommandError if the client refuses. Then nothing was paid.
 */
export async function signAsAsked<T>(signing: Promise<T>): Promise<T> {
  try {
    return await signing;
  } catch (cause) {
    if (cause instanceof TributaryError) throw cause;
    throw new CommandError("What the server asks for cannot be signed; nothing was paid.", EXIT.failure, {
      details: printable((cause instanceof Error ? cause.message : String(cause)).split("\n")[0] ?? ""),
      hint: "Tell the seller.",
      cause,
    });
  }
}

/** What a server says about a payment that it received. Nothing proves it. */
export type Receipt = {
  readonly success: boolean;
  readonly transaction: string | undefined;
  readonly errorReason: string | undefined;
  readonly extra: Readonly<Record<string, unknown>>;
};

const receipt = z.looseObject({
  success: z.boolean().catch(false),
  transaction: z.unknown().optional(),
  errorReason: z.unknown().optional(),
  extra: z.record(z.string(), z.unknown()).catch({}),
});

export function readReceipt(client: x402HTTPClient, headers: Headers): Receipt | undefined {
  try {
    const read = receipt.parse(client.getPaymentSettleResponse((name) => headers.get(name)));
    const { success, transaction, errorReason, extra } = read;
    return { success, transaction: shown(transaction), errorReason: shown(errorReason), extra };
  } catch {
    return undefined;
  }
}

/** Why a server asks for a payment again although it received one. */
export function readReason(client: x402HTTPClient, headers: Headers, body: string): string | undefined {
  try {
    return shown(client.getPaymentRequiredResponse((name) => headers.get(name), parsed(body)).error);
  } catch {
    return undefined;
  }
}

/** Longer than any reason or hash. */
const LONGEST_WORD = 300;

/** A server's text, safe to print; undefined if it is not text. */
export function shown(input: unknown): string | undefined {
  return typeof input === "string" && input !== "" ? printable(input.slice(0, LONGEST_WORD)) : undefined;
}

function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}
