// The official facilitator, built from @x402/core, @x402/evm and express as in their own basic example: one transaction for each
// payment. `node official.ts RPC_URL [nonce-manager]`, key in PRIVATE_KEY; prints its URL.
import type { AddressInfo } from "node:net";
import { x402Facilitator } from "@x402/core/facilitator";
import { toFacilitatorEvmSigner } from "@x402/evm";
import { registerExactEvmScheme } from "@x402/evm/exact/facilitator";
import express from "express";
import { createWalletClient, type Hex, http, nonceManager, publicActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { baseSepolia } from "viem/chains";

const [rpcUrl, choice] = process.argv.slice(2);
const privateKey = process.env.PRIVATE_KEY as Hex;
const account = privateKeyToAccount(privateKey, choice === "nonce-manager" ? { nonceManager } : {});
const client = createWalletClient({ account, chain: baseSepolia, transport: http(rpcUrl) }).extend(publicActions);
// The packages' type of a signer is looser than viem's type of a client.
type Signer = Parameters<typeof toFacilitatorEvmSigner>[0];
const signer = toFacilitatorEvmSigner({ ...client, address: account.address } as unknown as Signer);
const facilitator = registerExactEvmScheme(new x402Facilitator(), { signer, networks: "eip155:84532" });

const app = express();
app.use(express.json());
for (const action of ["verify", "settle"] as const) {
  app.post(`/${action}`, async (request, response) => {
    try {
      const { paymentPayload, paymentRequirements } = request.body;
      response.json(await facilitator[action](paymentPayload, paymentRequirements));
    } catch (error) {
      response.status(500).json({ error: error instanceof Error ? error.message : "unknown" });
    }
  });
}
const server = app.listen(0, "127.0.0.1", () => {
  // The same as Tributary's, so that no caller uses a connection that is being closed.
  server.keepAliveTimeout = 65_000;
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
