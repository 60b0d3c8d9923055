import { once } from "node:events";
import { createServer } from "node:http";
import { type FacilitatorClient, x402ResourceServer } from "@x402/core/server";
import { registerExactEvmScheme } from "@x402/evm/exact/server";
import type { Address } from "viem";
import { formatAmount } from "../../../src/money.ts";
import { networks } from "../../../src/networks.ts";
import type { SalePackages } from "./packages.ts";

/** A resource server that sells one answer per call, with the official middleware. */
export type Shop = {
  /** What it sells. */
  readonly url: string;
  readonly close: () => Promise<void>;
};

/** Opens a shop on a free port of 127.0.0.1. */
export async function openShop(
  { express, paymentMiddleware }: Pick<SalePackages, "express" | "paymentMiddleware">,
  options: { readonly price: bigint; readonly payTo: Address; readonly facilitator: FacilitatorClient },
): Promise<Shop> {
  const { price, payTo, facilitator } = options;
  const network = networks.baseSepolia.caip2;
  const routes = {
    "GET /quote": {
      accepts: { scheme: "exact", network, payTo, price: `$${formatAmount(price, 6)}` },
      description: "a quote",
      mimeType: "application/json",
    },
  } as const;
  let answers = 0;
  const app = express();
  app.use(paymentMiddleware(routes, registerExactEvmScheme(new x402ResourceServer(facilitator))));
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
