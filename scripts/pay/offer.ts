import type { x402HTTPClient } from "@x402/core/client";
import type { PaymentRequired, PaymentRequirements, SettleResponse } from "@x402/core/types";
import { TributaryError } from "../../src/errors.ts";
import { type Network, networks } from "../../src/networks.ts";
import { CommandError } from "../cli/errors.ts";
import { EXIT } from "../cli/exitCodes.ts";

/** The schemes that can be paid by. */
export const SCHEMES = ["exact", "batch-settlement"] as const;
export type Scheme = (typeof SCHEMES)[number];

/** An offer in USDC that can be paid. */
export type Offer = { readonly accepts: PaymentRequirements; readonly network: Network; readonly amount: bigint };

/** What a server asks for, in either version of x402. */
export function readPrice(client: x402HTTPClient, headers: Headers, body: string, url: string): PaymentRequired {
  try {
    return client.getPaymentRequiredResponse((name) => headers.get(name), parsed(body));
  } catch (cause) {
    throw new CommandError(`${url} asks for a payment in a way that is not x402.`, EXIT.failure, { cause });
  }
}

/** The cheapest offer of a scheme in a known USDC; v1 calls the amount and the network by other names. */
export function cheapest({ accepts }: PaymentRequired, scheme: Scheme): Offer | undefined {
  const offers = accepts.flatMap((one): Offer[] => {
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

/**
 * Waits for the official client to sign what a server asks.
 * @throws CommandError where it refuses to: nothing was paid then.
 */
export async function signAsAsked<T>(signing: Promise<T>): Promise<T> {
  try {
    return await signing;
  } catch (cause) {
    if (cause instanceof TributaryError) throw cause;
    throw new CommandError("What the server asks cannot be signed; nothing was paid.", EXIT.failure, {
      details: (cause instanceof Error ? cause.message : String(cause)).split("\n")[0] ?? "",
      hint: "Tell the seller.",
      cause,
    });
  }
}

export function readReceipt(client: x402HTTPClient, headers: Headers): SettleResponse | undefined {
  try {
    return client.getPaymentSettleResponse((name) => headers.get(name));
  } catch {
    return undefined;
  }
}

/** Why a server asks again for a payment that it was given. */
export function readReason(client: x402HTTPClient, headers: Headers, body: string): string | undefined {
  try {
    return client.getPaymentRequiredResponse((name) => headers.get(name), parsed(body)).error;
  } catch {
    return undefined;
  }
}

function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}
