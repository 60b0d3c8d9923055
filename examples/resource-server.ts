// A resource server that sells one answer for $0.001 with the official middleware. Only the facilitator's URL is
// Tributary's. With an API key of that facilitator, the server can ask again about a payment whose answer it missed.
// Run: FACILITATOR_URL=http://127.0.0.1:4022 FACILITATOR_KEY=… PAY_TO=0x… npm run resource-server
import { setTimeout as pause } from "node:timers/promises";
import { HTTPFacilitatorClient, x402ResourceServer } from "@x402/core/server";
import { registerExactEvmScheme } from "@x402/evm/exact/server";
import { paymentMiddleware } from "@x402/express";
import express from "express";

const { FACILITATOR_URL = "http://127.0.0.1:4022", FACILITATOR_KEY, PAY_TO, PORT = "4021" } = process.env;
if (PAY_TO === undefined) throw new Error("Set PAY_TO to the address that gets paid.");

const headers: Record<string, string> = FACILITATOR_KEY ? { Authorization: `Bearer ${FACILITATOR_KEY}` } : {};
const createAuthHeaders = async () => ({ verify: headers, settle: headers, supported: headers });
const facilitator = new HTTPFacilitatorClient({ url: FACILITATOR_URL, createAuthHeaders });
const prices = {
  "GET /weather": { accepts: { scheme: "exact", network: "eip155:84532", payTo: PAY_TO, price: "$0.001" } },
} as const;

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
app.use(paymentMiddleware(prices, registerExactEvmScheme(new x402ResourceServer(facilitator))));
app.get("/weather", (_request, response) => {
  response.json({ weather: "sunny", celsius: 21 });
});
const server = app.listen(Number(PORT), "127.0.0.1", () => {
  const address = server.address();
  console.log(`selling http://127.0.0.1:${typeof address === "object" ? address?.port : PORT}/weather`);
});
