import type { ServerResponse } from "node:http";
import { encodePaymentRequiredHeader, encodePaymentResponseHeader } from "@x402/core/http";
import type { Address } from "viem";
import { networks } from "../../src/networks.ts";
import { type ChainLab, openChainLab } from "./chainLab.ts";
import { authorizer } from "./channelPayloads.ts";
import { listen } from "./listen.ts";

const { usdc, caip2 } = networks.baseSepolia;

export type Seller = {
  readonly lab: ChainLab;
  /** What it sells. */
  readonly url: string;
  readonly close: () => Promise<void>;
};

/**
 * A seller that answers as a test says, on its own chain.
 * @param ask Answers a request without a payment.
 * @param take Answers a payment, of which it gets the header.
 */
export async function openSeller(
  ask: (response: ServerResponse) => void,
  take: (response: ServerResponse, header: string) => void,
): Promise<Seller> {
  const lab = await openChainLab();
  const { server, url } = await listen((request, response) => {
    const header = request.headers["payment-signature"];
    if (typeof header === "string") take(response, header);
    else ask(response);
  });
  return {
    lab,
    url: `${url}/paid`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await lab.chain.stop();
    },
  };
}

/** The token and network of every offer. */
export const USDC_TERMS = {
  network: caip2,
  asset: usdc.address,
  maxTimeoutSeconds: 600,
  extra: { name: usdc.name, version: usdc.version },
} as const;

/** The terms of a payment into a channel. */
export function channelTerms(payTo: Address, amount: bigint, extra: Record<string, unknown> = {}) {
  return {
    ...USDC_TERMS,
    scheme: "batch-settlement",
    amount: amount.toString(),
    payTo,
    extra: { ...USDC_TERMS.extra, receiverAuthorizer: authorizer.address, withdrawDelay: 900, ...extra },
  };
}

/** Asks for a payment by one offer. */
export function demand(response: ServerResponse, url: string, error: string, accepts: object): void {
  const required = { x402Version: 2, error, resource: { url, description: "", mimeType: "" }, accepts: [accepts] };
  response.writeHead(402, { "payment-required": encodePaymentRequiredHeader(required as never) }).end("{}");
}

/** Sells, and says that the payment was good. */
export function sellWith(response: ServerResponse, receipt: Record<string, unknown>): void {
  const header = encodePaymentResponseHeader({ success: true, transaction: "", network: caip2, ...receipt } as never);
  response.writeHead(200, { "payment-response": header }).end("sold");
}
