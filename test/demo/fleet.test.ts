import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { encodePaymentRequiredHeader } from "@x402/core/http";
import { registerExactEvmScheme } from "@x402/evm/exact/client";
import { wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { expect } from "chai";
import { buyAll, createBuyers } from "../../demo/sale/fleet.ts";
import { networks } from "../../src/networks.ts";

const { usdc } = networks.baseSepolia;

describe("buyAll", () => {
  let server: Server;
  let url: string;

  before(async () => {
    // Refuses every payment as the official middleware does: with an empty body, the reason in the header.
    server = createServer((request, response) => {
      const paid = request.headers["payment-signature"] !== undefined;
      const header = encodePaymentRequiredHeader({
        x402Version: 2,
        error: paid ? "insufficient_funds" : "Payment required",
        resource: { url, description: "", mimeType: "" },
        accepts: [
          {
            scheme: "exact",
            network: "eip155:84532",
            asset: usdc.address,
            amount: "1000",
            payTo: "0xdD2FD4581271e230360230F9337D5c0430Bf44C0",
            maxTimeoutSeconds: 60,
            extra: { name: usdc.name, version: usdc.version },
          },
        ],
      });
      response.writeHead(402, { "payment-required": header, "content-type": "application/json" }).end("{}");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/quote`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  it("says why a server refused a payment", async () => {
    const buyers = createBuyers(1);
    const [purchase] = await buyAll(
      { wrapFetchWithPayment },
      {
        buyers,
        requests: 1,
        url,
        clientOf: (signer) => registerExactEvmScheme(new x402Client(), { signer }),
        fetchOf: () => fetch,
        onPurchase: () => undefined,
      },
    );
    expect(purchase).to.include({ buyer: buyers[0]?.address, status: 402, problem: "402 insufficient_funds" });
    expect(purchase?.nonce).to.match(/^0x[0-9a-f]{64}$/);
  });
});
