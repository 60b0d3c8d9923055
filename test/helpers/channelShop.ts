import { decodePaymentRequiredHeader } from "@x402/core/http";
import { type FacilitatorClient, HTTPFacilitatorClient, x402ResourceServer } from "@x402/core/server";
import type { Network, PaymentRequired, SettleResponse } from "@x402/core/types";
import { toClientEvmSigner } from "@x402/evm";
import {
  BatchSettlementEvmScheme as ClientScheme,
  type BatchSettlementEvmSchemeOptions as ClientSchemeOptions,
} from "@x402/evm/batch-settlement/client";
import {
  type BatchSettlementChannelManager,
  type BatchSettlementEvmSchemeServerConfig,
  BatchSettlementEvmScheme as ServerScheme,
} from "@x402/evm/batch-settlement/server";
import { paymentMiddleware, setSettlementOverrides } from "@x402/express";
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from "@x402/fetch";
import express from "express";
import type { Address, LocalAccount } from "viem";
import type { ChainClient } from "../../src/chain/client.ts";
import { networks } from "../../src/networks.ts";
import { listen } from "./listen.ts";

const network: Network = networks.baseSepolia.caip2;

export type ChannelShop = Awaited<ReturnType<typeof openChannelShop>>;

/**
 * A resource server that sells by the scheme batch-settlement, of official parts only: @x402/express, its server scheme and
 * its channel manager. `GET /resource` costs what `?amount=` says, at most `price`: atomic units, or a part of the price as
 * `25%`. `prepare` has the scheme before the server does.
 */
export async function openChannelShop(
  facilitator: FacilitatorClient,
  receiver: Address,
  options: { readonly price?: bigint } & BatchSettlementEvmSchemeServerConfig = {},
  prepare: (scheme: ServerScheme) => void = () => undefined,
) {
  const { price = 1_000n, ...config } = options;
  const scheme = new ServerScheme(receiver, config);
  prepare(scheme);
  const resources = new x402ResourceServer(facilitator).register(network, scheme);
  const asset = networks.baseSepolia.usdc;
  const app = express();
  app.use(
    paymentMiddleware(
      {
        "GET /resource": {
          accepts: {
            scheme: "batch-settlement",
            network,
            payTo: receiver,
            price: {
              amount: price.toString(),
              asset: asset.address,
              extra: { name: asset.name, version: asset.version },
            },
          },
          description: "something",
          mimeType: "application/json",
        },
      },
      resources,
    ),
  );
  let served = 0;
  app.get("/resource", (request, response) => {
    served += 1;
    const { amount } = request.query;
    if (typeof amount === "string") setSettlementOverrides(response, { amount });
    response.json({ served });
  });
  const { server, url } = await listen(app);
  const manager: BatchSettlementChannelManager = scheme.createChannelManager(facilitator, network, asset.address);
  return {
    url: `${url}/resource`,
    scheme,
    manager,
    served: () => served,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

export type ChannelBuyerOptions = ClientSchemeOptions & {
  /** Called with every answer, also those between the first and the last. */
  readonly onAnswer?: (answer: ShopAnswer) => void;
};

/** An answer of the shop. `required` is what it asks for if it was not paid as it wants. */
export type ShopAnswer = { readonly status: number; readonly required: PaymentRequired | undefined };

/** The official client: pays by channel, keeps its channels in memory unless the options say otherwise. */
export function openChannelBuyer(
  client: ChainClient,
  account: LocalAccount,
  { onAnswer, ...options }: ChannelBuyerOptions = {},
) {
  // The packages' types allow any record as an ABI or an EIP-712 message; viem's do not.
  const signer = toClientEvmSigner(account as Parameters<typeof toClientEvmSigner>[0], {
    readContract: (args) => client.readContract(args as Parameters<ChainClient["readContract"]>[0]),
  });
  const scheme = new ClientScheme(signer, options);
  const fetchSeen: typeof fetch = async (...request) => {
    const response = await fetch(...request);
    onAnswer?.({ status: response.status, required: requiredOf(response) });
    return response;
  };
  const fetchPaid = wrapFetchWithPayment(fetchSeen, new x402Client().register(network, scheme));
  return {
    account,
    scheme,
    /** Buys once. `receipt` is undefined if the server sent none, `refusal` if it asked for no other payment. */
    buy: async (
      url: string,
    ): Promise<{ status: number; receipt: SettleResponse | undefined; refusal: string | undefined }> => {
      const response = await fetchPaid(url);
      await response.arrayBuffer();
      const receipt = response.headers.get("payment-response");
      return {
        status: response.status,
        receipt: receipt === null ? undefined : decodePaymentResponseHeader(receipt),
        refusal: requiredOf(response)?.error,
      };
    },
    refund: (url: string, amount?: string) => scheme.refund(url, amount === undefined ? {} : { amount }),
  };
}

function requiredOf({ headers }: Response): PaymentRequired | undefined {
  const header = headers.get("payment-required");
  return header === null ? undefined : decodePaymentRequiredHeader(header);
}

/** The official client of a facilitator; with an API key it is that merchant. */
export function facilitatorAt(url: string, apiKey?: string): FacilitatorClient {
  if (apiKey === undefined) return new HTTPFacilitatorClient({ url });
  const headers = { Authorization: `Bearer ${apiKey}` };
  return new HTTPFacilitatorClient({
    url,
    createAuthHeaders: async () => ({ verify: headers, settle: headers, supported: headers }),
  });
}
