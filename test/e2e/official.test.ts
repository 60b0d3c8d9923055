import type { RequestListener, Server } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { HTTPFacilitatorClient, x402ResourceServer } from "@x402/core/server";
import type { Network, PaymentPayload, PaymentRequirements, SettleResponse } from "@x402/core/types";
import { registerExactEvmScheme as registerClient } from "@x402/evm/exact/client";
import { registerExactEvmScheme as registerServer } from "@x402/evm/exact/server";
import { ExactEvmSchemeV1 } from "@x402/evm/exact/v1/client";
import { paymentMiddleware as expressMiddleware } from "@x402/express";
import { BAZAAR, bazaarResourceServerExtension, declareDiscoveryExtension, withBazaar } from "@x402/extensions/bazaar";
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { paymentMiddleware as honoMiddleware } from "@x402/hono";
import { expect } from "chai";
import express from "express";
import { Hono } from "hono";
import { type Address, getAddress } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";
import { parseMerchantKeys } from "../../src/facilitator/index.ts";
import { networks } from "../../src/networks.ts";
import { vectors } from "../helpers/authorizations.ts";
import { PATIENT } from "../helpers/engineLab.ts";
import { type ExampleDesk, openExampleDesk } from "../helpers/examples.ts";
import { type FacilitatorLab, openFacilitatorLab, payerOf } from "../helpers/facilitator.ts";
import { listen } from "../helpers/listen.ts";
import { openTcpGate } from "../helpers/tcpGate.ts";
import { until } from "../helpers/until.ts";

const { usdc } = networks.baseSepolia;
const PRICE = 1_000n;

describe("official clients and servers on the facilitator", () => {
  let lab: FacilitatorLab;
  let facilitator: Awaited<ReturnType<FacilitatorLab["serve"]>>;
  let buyers: PrivateKeyAccount[];
  const servers: Server[] = [];
  let next = 0;

  before(async () => {
    lab = await openFacilitatorLab();
    facilitator = await lab.serve();
    buyers = Array.from({ length: 12 }, (_, index) => payerOf(5_000 + index));
    await lab.fundAll(buyers.map(({ address }) => address));
  });
  after(async () => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    await lab.stop();
  });

  const freshPayee = (): Address => `0x${(0xa11_0000 + next++).toString(16).padStart(40, "0")}`;
  const resourceServer = (url = facilitator.url) =>
    registerServer(new x402ResourceServer(new HTTPFacilitatorClient({ url })));
  const buyWith = (signer: PrivateKeyAccount) =>
    wrapFetchWithPayment(fetch, registerClient(new x402Client(), { signer }));
  const routes = (payTo: Address, extra?: Record<string, unknown>) => ({
    "GET /weather": {
      accepts: {
        scheme: "exact",
        network: "eip155:84532" as Network,
        payTo,
        price: "$0.001",
        ...(extra === undefined ? {} : { extra }),
      },
      description: "the weather",
      mimeType: "application/json",
    },
  });

  async function serve(handler: RequestListener): Promise<string> {
    const { server, url } = await listen(handler);
    servers.push(server);
    return url;
  }
  async function expressServer(
    payTo: Address,
    extra?: Record<string, unknown>,
    facilitatorUrl?: string,
  ): Promise<string> {
    const app = express();
    app.use(expressMiddleware(routes(payTo, extra), resourceServer(facilitatorUrl)));
    app.get("/weather", (_request, response) => {
      response.json({ weather: "sunny" });
    });
    return serve(app);
  }
  async function honoServer(payTo: Address): Promise<string> {
    const app = new Hono();
    app.use(honoMiddleware(routes(payTo), resourceServer()));
    app.get("/weather", (c) => c.json({ weather: "sunny" }));
    return serve(getRequestListener(app.fetch));
  }
  const receiptOf = (response: Response): SettleResponse =>
    decodePaymentResponseHeader(
      response.headers.get("payment-response") ?? response.headers.get("x-payment-response") ?? "",
    );

  it("sells through @x402/express to @x402/fetch, ten buyers at once in one transaction", async () => {
    const payTo = freshPayee();
    const gathering = await lab.serve({ engine: { ...PATIENT, fullBatch: 10 } });
    const url = await expressServer(payTo, undefined, gathering.url);
    const responses = await Promise.all(buyers.slice(0, 10).map((buyer) => buyWith(buyer)(`${url}/weather`)));
    for (const [index, response] of responses.entries()) {
      expect(response.status).to.equal(200);
      expect(await response.json()).to.deep.equal({ weather: "sunny" });
      expect(receiptOf(response)).to.include({ success: true, network: "eip155:84532", payer: buyers[index]?.address });
    }
    expect(await gathering.transactions()).to.equal(1);
    expect(await lab.balanceOf(payTo)).to.equal(10n * PRICE);
  });

  it("sells through @x402/hono to @x402/fetch", async () => {
    const payTo = freshPayee();
    const url = await honoServer(payTo);
    const response = await buyWith(buyers[0]!)(`${url}/weather`);
    expect(response.status).to.equal(200);
    expect(receiptOf(response).success).to.equal(true);
    expect(await lab.balanceOf(payTo)).to.equal(PRICE);
  });

  it("sells by the upfront flow, which never calls /verify", async () => {
    const payTo = freshPayee();
    const url = await expressServer(payTo, { paymentFlow: "upfront" });
    const verified = async () =>
      /tributary_verify_seconds_count (\d+)/.exec(await (await facilitator.get("/metrics")).text())?.[1];
    const before = await verified();
    const response = await buyWith(buyers[1]!)(`${url}/weather`);
    expect(response.status).to.equal(200);
    expect(await verified()).to.equal(before);
    expect(await lab.balanceOf(payTo)).to.equal(PRICE);
  });

  it("serves the resource once for one payment header", async () => {
    const payTo = freshPayee();
    const url = `${await expressServer(payTo)}/weather`;
    let paid: Headers | undefined;
    const recording: typeof fetch = async (input, init) => {
      const request = new Request(input, init);
      if (request.headers.has("payment-signature")) paid = request.headers;
      return fetch(request);
    };
    const first = await wrapFetchWithPayment(recording, registerClient(new x402Client(), { signer: buyers[2]! }))(url);
    expect(first.status).to.equal(200);
    const replays = await Promise.all(
      Array.from({ length: 10 }, () =>
        fetch(url, { headers: { "payment-signature": paid?.get("payment-signature") ?? "" } }),
      ),
    );
    expect(replays.map(({ status }) => status)).to.deep.equal(new Array(10).fill(402));
    expect(await lab.balanceOf(payTo)).to.equal(PRICE);
  });

  it("sells on a slow chain to an official server without a key, which asks again when it is told that a payment is pending", async () => {
    const payTo = freshPayee();
    const answerWithinMs = 20_000;
    const slow = await lab.serve({
      policy: { answerWithinMs, holdMs: 600_000 },
      // A caller's whole time passes at once.
      engine: { replaceAfterMs: 600_000 },
    });
    const client = new HTTPFacilitatorClient({ url: slow.url });
    const ask = client.settle.bind(client);
    const heard: (string | undefined)[] = [];
    /** Whether the payment that was just sent is decided. */
    const isDecided = async ({ payload }: PaymentPayload): Promise<boolean> => {
      const { from, nonce } = payload.authorization as { from: string; nonce: string };
      const answer = await slow.get(`/payments/eip155:84532/${usdc.address}/${from}/${nonce}`);
      const { payments } = (await answer.json()) as { payments: { decided: boolean }[] };
      return payments.every(({ decided }) => decided);
    };
    await lab.holdBlocks();
    client.settle = async (payload, requirements) => {
      const asking = ask(payload, requirements);
      if (heard.length === 0) {
        await until(async () => (await slow.journal.count()).submitted === 1, "it is sent");
        lab.clock.jump(answerWithinMs);
      }
      const answer = await asking;
      heard.push(answer.errorReason);
      if (answer.errorReason === "settlement_pending") {
        // Now the block comes that it waits for.
        await lab.resumeBlocks();
        await until(() => isDecided(payload), "it is decided");
      }
      return answer;
    };
    const app = express();
    app.use(expressMiddleware(routes(payTo), registerServer(new x402ResourceServer(client))));
    app.get("/weather", (_request, response) => {
      response.json({ weather: "sunny" });
    });
    const response = await buyWith(buyers[6]!)(`${await serve(app)}/weather`);
    expect(heard).to.deep.equal(["settlement_pending", undefined]);
    expect(response.status).to.equal(200);
    expect(receiptOf(response)).to.include({ success: true });
    expect(await lab.balanceOf(payTo)).to.equal(PRICE);
  });

  it("refuses a buyer without money with 402, and moves nothing", async () => {
    const payTo = freshPayee();
    const url = await expressServer(payTo);
    const response = await buyWith(payerOf(5_999))(`${url}/weather`);
    expect(response.status).to.equal(402);
    expect(await lab.balanceOf(payTo)).to.equal(0n);
  });

  /** A resource server of x402 v1, which the official packages no longer have: 402 with a body, X-PAYMENT headers. */
  async function v1Server(payTo: Address): Promise<string> {
    const app = new Hono();
    app.get("/weather", async (c) => {
      const requirements = {
        scheme: "exact",
        network: "base-sepolia",
        maxAmountRequired: PRICE.toString(),
        resource: c.req.url,
        description: "the weather",
        mimeType: "application/json",
        payTo,
        maxTimeoutSeconds: 60,
        asset: usdc.address,
        extra: { name: usdc.name, version: usdc.version },
      };
      const again = (error: string) => c.json({ x402Version: 1, error, accepts: [requirements] }, 402);
      const header = c.req.header("x-payment");
      if (header === undefined) return again("X-PAYMENT header is required");
      const paymentPayload: unknown = JSON.parse(Buffer.from(header, "base64").toString());
      const body = { x402Version: 1, paymentPayload, paymentRequirements: requirements };
      const verified = await facilitator.verify(body);
      if (verified.body.isValid !== true) return again(String(verified.body.invalidReason));
      const settled = await facilitator.settle(body);
      if (settled.body.success !== true) return again(String(settled.body.errorReason));
      c.header("X-PAYMENT-RESPONSE", Buffer.from(JSON.stringify(settled.body)).toString("base64"));
      return c.json({ weather: "sunny" });
    });
    return serve(getRequestListener(app.fetch));
  }

  it("sells to a v2 client through a v1 server", async () => {
    const payTo = freshPayee();
    const response = await buyWith(buyers[3]!)(`${await v1Server(payTo)}/weather`);
    expect(response.status).to.equal(200);
    expect(receiptOf(response)).to.include({ success: true, network: "base-sepolia", payer: buyers[3]?.address });
    expect(await lab.balanceOf(payTo)).to.equal(PRICE);
  });

  it("settles what the v1 client class signs, through the official facilitator client", async () => {
    const payTo = freshPayee();
    const requirements = {
      scheme: "exact",
      network: "base-sepolia",
      maxAmountRequired: "5",
      resource: "http://127.0.0.1/x",
      description: "",
      mimeType: "",
      payTo,
      maxTimeoutSeconds: 60,
      asset: usdc.address,
      extra: { name: usdc.name, version: usdc.version },
    };
    const client = new HTTPFacilitatorClient({ url: facilitator.url });
    const supported = await client.getSupported();
    expect(
      supported.kinds.map(({ x402Version, scheme, network }) => [x402Version, scheme, network]),
    ).to.have.deep.members([
      [1, "exact", "base-sepolia"],
      [2, "exact", "eip155:84532"],
      [2, "batch-settlement", "eip155:84532"],
    ]);
    // The official client sends v1 through types that only know v2.
    const asked = requirements as unknown as PaymentRequirements;
    const payload = (await new ExactEvmSchemeV1(buyers[4]!).createPaymentPayload(
      1,
      asked,
    )) as unknown as PaymentPayload;
    expect(await client.verify(payload, asked)).to.include({ isValid: true, payer: buyers[4]?.address });
    const settled = await client.settle(payload, asked);
    expect(settled).to.include({ success: true, network: "base-sepolia", payer: buyers[4]?.address });
    expect(await lab.balanceOf(payTo)).to.equal(5n);
  });

  it("reads payloads that other implementations recorded", async () => {
    const recorded = vectors.filter(({ format, chainId }) => format !== "authorization" && chainId === 84532);
    expect(recorded.length).to.be.above(0);
    for (const { format, expected, domain, record } of recorded) {
      const { token: asset, to: payTo, value } = expected;
      const isV1 = format === "x402-v1";
      const terms = isV1
        ? { network: "base-sepolia", maxAmountRequired: value }
        : { network: "eip155:84532", amount: value };
      const paymentRequirements = { scheme: "exact", asset, payTo, maxTimeoutSeconds: 60, extra: domain, ...terms };
      const given = "paymentPayload" in record ? record.paymentPayload : record;
      const { status, body } = await facilitator.verify({ paymentPayload: given, paymentRequirements });
      expect(status).to.equal(200);
      // Signed in the past: its time is over, or its payer has no money here. Its form and signature are fine.
      expect(body.invalidReason).to.be.oneOf([
        "invalid_exact_evm_payload_authorization_valid_before",
        "invalid_exact_evm_insufficient_balance",
        "insufficient_funds",
      ]);
    }
  });

  it("lists what was paid for and declared, without its query, in the Bazaar", async () => {
    const payTo = freshPayee();
    const responses: unknown[] = [];
    const listening = new HTTPFacilitatorClient({ url: facilitator.url });
    for (const method of ["verify", "settle"] as const) {
      const ask = listening[method].bind(listening) as (
        ...args: Parameters<typeof listening.settle>
      ) => Promise<object>;
      Reflect.set(listening, method, async (...args: Parameters<typeof listening.settle>) => {
        const answer = await ask(...args);
        responses.push(Reflect.get(answer, "extensionResponses"));
        return answer;
      });
    }
    const server = registerServer(new x402ResourceServer(listening));
    server.registerExtension(bazaarResourceServerExtension);
    const app = new Hono();
    const declared = declareDiscoveryExtension({
      input: { city: "Paris" },
      inputSchema: { properties: { city: { type: "string" } } },
    });
    app.use(honoMiddleware({ "GET /weather": { ...routes(payTo)["GET /weather"], extensions: declared } }, server));
    app.get("/weather", (c) => c.json({ weather: "sunny" }));
    const url = await serve(getRequestListener(app.fetch));
    const client = withBazaar(new HTTPFacilitatorClient({ url: facilitator.url }));
    const list = () => client.extensions[BAZAAR.key as "bazaar"].listResources({ limit: 10 });
    expect((await list()).items.filter(({ resource }) => resource.startsWith(url))).to.have.length(0);
    expect((await buyWith(buyers[5]!)(`${url}/weather?city=Paris`)).status).to.equal(200);
    // The merchant is told the outcome; the buyer is not.
    expect(responses).to.deep.equal([{ bazaar: { status: "processing" } }, { bazaar: { status: "success" } }]);
    const [item] = (await list()).items.filter(({ resource }) => resource.startsWith(url));
    expect(item).to.include({ resource: `${url}/weather`, type: "http", x402Version: 2 });
    expect(item?.accepts[0]).to.include({ payTo: getAddress(payTo), amount: "1000", network: "eip155:84532" });
    const { search } = client.extensions[BAZAAR.key as "bazaar"];
    expect((await search({ query: "the weather" })).resources.map(({ resource }) => resource)).to.include(
      item?.resource,
    );
  });

  describe("the examples", () => {
    let desk: ExampleDesk;
    before(async () => {
      desk = await openExampleDesk();
    });
    after(() => desk.close());

    it("sell with a merchant's API key, if the facilitator requires one", async () => {
      const key = "k".repeat(40);
      const closed = await lab.serve({ merchants: parseMerchantKeys(`shop=${key}`), merchantsOnly: true });
      const env = { FACILITATOR_URL: closed.url, FACILITATOR_KEY: key, PAY_TO: freshPayee(), PORT: "0" };
      const server = await desk.start("resource-server.ts", env);
      const [, url = ""] = await server.says(/selling (http:\S+)/);
      expect((await buyWith(buyers[7]!)(url)).status).to.equal(200);
      expect(await lab.balanceOf(env.PAY_TO)).to.equal(PRICE);
    });

    it("sell from the first request on, if the server was started before its facilitator", async () => {
      const gate = await openTcpGate(Number(new URL(facilitator.url).port));
      await gate.shut();
      const env = { FACILITATOR_URL: `http://127.0.0.1:${gate.port}`, PAY_TO: freshPayee(), PORT: "0" };
      const server = await desk.start("resource-server.ts", env);
      const [, waitsFor] = await server.says(/waiting for the facilitator at (http:\S+): /);
      expect(waitsFor).to.equal(env.FACILITATOR_URL);
      await gate.open();
      const [, url = ""] = await server.says(/selling (http:\S+)/);
      expect((await buyWith(buyers[8]!)(url)).status).to.equal(200);
      expect(await lab.balanceOf(env.PAY_TO)).to.equal(PRICE);
      await gate.shut();
    });

    it("sell and buy on a facilitator that only swapped its scheme", async () => {
      const payTo = freshPayee();
      const { accounts, rpcUrl } = lab.chain;
      const own = await desk.start("own-facilitator.ts", {
        RPC_URL: rpcUrl,
        PRIVATE_KEY: accounts[10]!.privateKey,
        DATABASE_URL: ":memory:",
        PORT: "0",
      });
      const [, facilitatorUrl = ""] = await own.says(/facilitator on (http:\S+)/);
      const { kinds } = (await (await fetch(`${facilitatorUrl}/supported`)).json()) as { kinds: { scheme: string }[] };
      // The other official scheme writes through the engine.
      expect(kinds.map(({ scheme }) => scheme).sort()).to.deep.equal(["exact", "exact", "upto"]);
      const server = await desk.start("resource-server.ts", {
        FACILITATOR_URL: facilitatorUrl,
        PAY_TO: payTo,
        PORT: "0",
      });
      const [, url = ""] = await server.says(/selling (http:\S+)/);
      const { code, text } = await desk.run("buyer.ts", { PRIVATE_KEY: accounts[6]!.privateKey }, [url]);
      expect(code, text).to.equal(0);
      const [, answer = "", receipt = ""] = /^200 (.*)\n(.*)\n/m.exec(text) ?? [];
      expect(JSON.parse(answer)).to.deep.equal({ weather: "sunny", celsius: 21 });
      expect(JSON.parse(receipt)).to.include({ success: true, payer: accounts[6]?.address });
      expect(await lab.balanceOf(payTo)).to.equal(PRICE);
    });
  });
});
