// A resource server that sells one answer for $0.001 with the official middleware, through payment channels (scheme
// batch-settlement) and by single payments (exact). The journal holds what its channels owe, and `tributary channels keep`
// with the same key and the same journal claims it.
// Run: PAY_TO=0x… RECEIVER_AUTHORIZER_KEY=0x… FACILITATOR_URL=http://127.0.0.1:4022 node examples/channel-seller.ts
import { setTimeout as pause } from "node:timers/promises";
import { HTTPFacilitatorClient, x402ResourceServer } from "@x402/core/server";
import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/server";
import { ExactEvmScheme } from "@x402/evm/exact/server";
import { paymentMiddleware } from "@x402/express";
import express from "express";
import { createChannelStorage, quickenVouchers } from "tributary/keeper";
import { openJournal } from "tributary/settlement";
import { privateKeyToAccount } from "viem/accounts";

const { FACILITATOR_URL = "http://127.0.0.1:4022", PAY_TO, RECEIVER_AUTHORIZER_KEY, DATABASE_URL } = process.env;
const { PORT = "4021" } = process.env;
if (PAY_TO === undefined) throw new Error("Set PAY_TO to the address that gets paid.");
if (RECEIVER_AUTHORIZER_KEY === undefined) throw new Error("Set RECEIVER_AUTHORIZER_KEY: it signs claims and refunds.");
const payTo = PAY_TO as `0x${string}`;

const journal = await openJournal(DATABASE_URL); // undefined: SQLite in .tributary/journal.db
const storage = createChannelStorage(journal, { chainId: 84532 });
const receiverAuthorizerSigner = privateKeyToAccount(RECEIVER_AUTHORIZER_KEY as `0x${string}`);
const facilitator = new HTTPFacilitatorClient({ url: FACILITATOR_URL });

const channels = quickenVouchers(new BatchSettlementEvmScheme(payTo, { storage, receiverAuthorizerSigner }));
const resources = new x402ResourceServer(facilitator)
  .register("eip155:84532", channels)
  .register("eip155:84532", new ExactEvmScheme());

const common = { network: "eip155:84532", payTo, price: "$0.001" } as const;
const routes = {
  "GET /weather": {
    accepts: [
      { ...common, scheme: "batch-settlement", extra: { minDeposit: "50000" } },
      { ...common, scheme: "exact" },
    ],
  },
};

// The middleware answers 500 until the facilitator has said what it supports, so wait for that.
for (let said = ""; ; await pause(500)) {
  try {
    await facilitator.getSupported();
    break;
  } catch (error) {
    const why = `waiting for the facilitator at ${FACILITATOR_URL}: ${error instanceof Error ? error.message : error}`;
    if (why !== said) console.log(why);
    said = why;
  }
}

const app = express();
app.use(paymentMiddleware(routes, resources));
app.get("/weather", (_request, response) => {
  response.json({ weather: "sunny", celsius: 21 });
});
const server = app.listen(Number(PORT), "127.0.0.1", () => {
  const address = server.address();
  console.log(`selling http://127.0.0.1:${typeof address === "object" ? address?.port : PORT}/weather`);
});
