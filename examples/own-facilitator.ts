// Your own facilitator, built on the official x402Facilitator, with its scheme `exact` replaced by Tributary's: then
// concurrent settlements share transactions.
// Run: RPC_URL=http://127.0.0.1:8545 PRIVATE_KEY=0x… node examples/own-facilitator.ts
import { serve } from "@hono/node-server";
import { x402Facilitator } from "@x402/core/facilitator";
import { UptoEvmScheme } from "@x402/evm/upto/facilitator";
import { Hono } from "hono";
import { connectChain } from "tributary";
import { createEngineSigner, createSharedExactSchemes, openJournal } from "tributary/facilitator";
import { privateKeyToAccount } from "viem/accounts";

const { RPC_URL = "http://127.0.0.1:8545", PRIVATE_KEY, DATABASE_URL, PORT = "4022" } = process.env;
const client = await connectChain(RPC_URL);
const journal = await openJournal(DATABASE_URL);
const senders = [privateKeyToAccount(PRIVATE_KEY as `0x${string}`)];

const { v2, v1, engine } = await createSharedExactSchemes(client, { journal, senders }); // was: new ExactEvmScheme(signer)
const facilitator = new x402Facilitator().register("eip155:84532", v2).registerV1("base-sepolia" as "a:b", v1);
// Other official schemes stay as they are. The engine sends what they write; nobody else may send from its keys.
facilitator.register("eip155:84532", new UptoEvmScheme(createEngineSigner(client, { engine, journal })));

const app = new Hono();
app.get("/supported", (c) => c.json(facilitator.getSupported()));
for (const endpoint of ["verify", "settle"] as const) {
  app.post(`/${endpoint}`, async (c) => {
    const { paymentPayload, paymentRequirements } = await c.req.json();
    return c.json(await facilitator[endpoint](paymentPayload, paymentRequirements));
  });
}
serve({ fetch: app.fetch, port: Number(PORT), hostname: "127.0.0.1" }, ({ port }) => {
  console.log(`facilitator on http://127.0.0.1:${port}`);
});
