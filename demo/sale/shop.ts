import { once } from "node:events";
import { createServer } from "node:http";
import type { x402ResourceServer } from "@x402/core/server";
import type { Address } from "viem";
import { formatAmount } from "../../src/money.ts";
import { networks } from "../../src/networks.ts";
import type { SalePackages } from "./packages.ts";

/** A resource server that sells one answer per call, with the official middleware. */
export type Shop = {
  /** The URL of what the shop sells. */
  readonly url: string;
  readonly close: () => Promise<void>;
};

/** How the shop is paid: the scheme, the price of a call in atomic units of USDC, and the payee. */
export type Offer = {
  readonly scheme: "exact" | "batch-settlement";
  readonly price: bigint;
  readonly payTo: Address;
  /** Further terms of the offer, by the scheme's names. */
  readonly extra?: Record<string, unknown>;
};

/** Opens a shop on a free port of 127.0.0.1. The resource server has to know the offer's scheme. */
export async function openShop(
  { express, paymentMiddleware }: Pick<SalePackages, "express" | "paymentMiddleware">,
  { resources, offer }: { readonly resources: x402ResourceServer; readonly offer: Offer },
): Promise<Shop> {
  const network = networks.baseSepolia.caip2;
  const routes = {
    "GET /quote": {
      accepts: { ...offer, network, price: `$${formatAmount(offer.price, 6)}` },
      description: "a quote",
      mimeType: "application/json",
    },
  } as const;
  let answers = 0;
  const app = express();
  app.use(paymentMiddleware(routes, resources));
  app.get("/quote", (_request, response) => {
    answers += 1;
    response.json({ quote: answers });
  });
  const server = createServer(app);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the shop has no port");
  return {
    url: `http://127.0.0.1:${address.port}/quote`,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
