import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { declareDiscoveryExtension } from "@x402/extensions/bazaar";
import { expect } from "chai";
import type { Address } from "viem";
import { type Caller, NOBODY } from "../../../../src/facilitator/callers/caller.ts";
import { parseMerchantKeys } from "../../../../src/facilitator/callers/merchants.ts";
import { createCatalogue } from "../../../../src/facilitator/catalogue/catalogue.ts";
import { readExact } from "../../../../src/facilitator/wire/body.ts";
import { type Journal, openJournal } from "../../../../src/journal/index.ts";
import { silentLogger } from "../../../../src/logger.ts";
import { authorize, bodyV1, bodyV2, payerOf } from "../../../helpers/facilitator.ts";

const declared = declareDiscoveryExtension({ method: "GET", input: { city: "Paris" } } as never);

const merchant = (id: string, receivers: readonly Address[] = []): Caller => ({
  merchant: { ...parseMerchantKeys(`${id}=${"k".repeat(32)}`)[0]!, receivers },
  address: "10.0.0.1",
});
const from = (address: string): Caller => ({ merchant: undefined, address });

type Change = {
  readonly to?: Address;
  readonly value?: bigint;
  /** What the server asked for, according to the payment. */
  readonly price?: string;
  readonly extensions?: object;
  readonly resource?: object;
  readonly caller?: Caller;
};

describe("createCatalogue", () => {
  let journal: Journal;
  let nowMs = 1_000;
  const clock = { now: () => nowMs, sleep: () => Promise.resolve() };
  beforeEach(async () => {
    journal = await openJournal(":memory:");
  });
  afterEach(() => journal.close());

  const open = (loopback = false) => createCatalogue({ journal, clock, logger: silentLogger, minimum: 100n, loopback });
  const all = { limit: 100, offset: 0 };
  /** A payment for a resource, as its three parts. */
  async function paymentFor(url: string, change: Change = {}) {
    const { to, value, price, caller = NOBODY } = change;
    const signed = await authorize(payerOf(1), { ...(to && { to }), ...(value !== undefined && { value }) });
    const { paymentPayload, paymentRequirements } = bodyV2(signed, {}, price === undefined ? {} : { amount: price });
    const payload = {
      ...paymentPayload,
      resource: { ...paymentPayload.resource, url, ...change.resource },
      extensions: change.extensions ?? declared,
    };
    const read = readExact(payload, paymentRequirements);
    if (!read.ok) throw new Error(read.problem);
    return [
      payload as unknown as PaymentPayload,
      paymentRequirements as unknown as PaymentRequirements,
      read.value,
      caller,
    ] as const;
  }

  /** The same in x402 v1, in which the server's requirements say everything. */
  async function v1PaymentFor(resource: string, description: string) {
    const outputSchema = { input: { type: "http", method: "GET", discoverable: true } };
    const { paymentPayload, paymentRequirements } = bodyV1(await authorize(payerOf(1)), {
      resource,
      description,
      outputSchema,
    });
    const read = readExact(paymentPayload, paymentRequirements);
    if (!read.ok) throw new Error(read.problem);
    return [
      paymentPayload as unknown as PaymentPayload,
      paymentRequirements as unknown as PaymentRequirements,
      read.value,
      NOBODY,
    ] as const;
  }

  /** The part of it that is there before it settles. */
  const checked = ([payload, requirements, request]: Awaited<ReturnType<typeof paymentFor>>) =>
    [payload, requirements, request] as const;

  it("promises a declared resource, lists it once it is paid for, and has it after a restart", async () => {
    const payment = await paymentFor("https://shop.example/weather?city=Paris#now");
    expect(open().check(...checked(payment))).to.deep.equal({ status: "processing" });
    expect((await open().list(all)).total).to.equal(0);
    expect(await open().add(...payment)).to.deep.equal({ status: "success" });
    const { items, total } = await open().list(all);
    expect(total).to.equal(1);
    expect(items[0]).to.include({ resource: "https://shop.example/weather", type: "http", x402Version: 2 });
    expect(items[0]?.lastUpdated).to.equal(new Date(nowMs).toISOString());
    expect(items[0]?.extensions).to.deep.equal(declared);
  });

  it("says nothing about a payment that declares nothing, and why it refuses a declaration", async () => {
    const silent = await paymentFor("https://shop.example/x", { extensions: {} });
    expect(open().check(...checked(silent))).to.equal(undefined);
    expect(await open().add(...silent)).to.equal(undefined);
    const bad = await paymentFor("https://shop.example/x", { extensions: { bazaar: { info: {}, schema: {} } } });
    const catalogue = open();
    expect((await catalogue.add(...bad))?.rejectedReason).to.be.a("string");
    expect(catalogue.check(...checked(bad))?.status).to.equal("rejected");
    const file = await paymentFor("file:///etc/passwd");
    expect(await open().add(...file)).to.include({ status: "rejected" });
    expect((await open().list(all)).total).to.equal(0);
  });

  it("lists nothing for a payment of zero, of too little, or of less than the declared price", async () => {
    const url = "https://shop.example/x";
    for (const value of [0n, 99n]) {
      expect((await open().add(...(await paymentFor(url, { value }))))?.rejectedReason).to.include("100 or more");
    }
    const cheap = await paymentFor(url, { value: 100n, price: "101" });
    expect((await open().add(...cheap))?.rejectedReason).to.include("less than the declared price");
    expect((await open().list(all)).total).to.equal(0);
    expect(await open().add(...(await paymentFor(url, { value: 100n })))).to.deep.equal({ status: "success" });
  });

  it("lists resources on the public internet only, and this machine's on a development chain", async () => {
    for (const url of ["http://169.254.169.254/latest/meta-data", "http://10.0.0.1/", "http://printer.local/"]) {
      for (const loopback of [true, false]) {
        expect((await open(loopback).add(...(await paymentFor(url))))?.rejectedReason).to.include("public internet");
      }
    }
    const local = await paymentFor("http://127.0.0.1:4021/weather");
    expect(await open().add(...local)).to.include({ status: "rejected" });
    expect(await open(true).add(...local)).to.deep.equal({ status: "success" });
    const icon = { serviceName: "Shop", iconUrl: "https://icons.internal/x.png" };
    await open().add(...(await paymentFor("https://shop.example/icon", { resource: icon })));
    const { items } = await open().list(all);
    expect(items.find(({ serviceName }) => serviceName === "Shop")).to.not.have.property("iconUrl");
  });

  it("lets nobody with less authority change what is listed", async () => {
    const to: Address = "0x00000000000000000000000000000000000Fee01";
    const catalogue = open();
    const url = "https://shop.example/weather";
    const say = async (description: string, caller: Caller) => {
      nowMs += 60_000;
      const payment = await paymentFor(url, { to, caller, resource: { description } });
      const response = await catalogue.add(...payment);
      const { items, total } = await catalogue.list(all);
      expect(total).to.equal(1);
      expect(response?.status).to.equal(items[0]?.description === description ? "success" : "rejected");
      return items[0]?.description;
    };
    // Of those without a key, the one who listed it.
    expect(await say("honest", from("1.1.1.1"))).to.equal("honest");
    expect(await say("poisoned", from("2.2.2.2"))).to.equal("honest");
    expect(await say("honest, too", from("1.1.1.1"))).to.equal("honest, too");
    // Any merchant before those, and of merchants the one who listed it.
    expect(await say("by a merchant", merchant("any"))).to.equal("by a merchant");
    expect(await say("poisoned", merchant("other"))).to.equal("by a merchant");
    expect(await say("poisoned", from("1.1.1.1"))).to.equal("by a merchant");
    // The payee's merchant before all, and every merchant that is the payee's.
    expect(await say("by the payee's", merchant("payee", [to]))).to.equal("by the payee's");
    expect(await say("by its other one", merchant("branch", [to]))).to.equal("by its other one");
    expect(await say("poisoned", merchant("any"))).to.equal("by its other one");
    expect(await open().list(all)).to.include({ total: 1 });
  });

  it("keeps a resource of each payee apart, and each tool of an MCP server", async () => {
    const catalogue = open();
    const url = "https://shop.example/mcp";
    const tool = (toolName: string) =>
      declareDiscoveryExtension({ toolName, inputSchema: { type: "object", properties: {} } } as never);
    await catalogue.add(...(await paymentFor(url, { extensions: tool("one") })));
    await catalogue.add(...(await paymentFor(url, { extensions: tool("two") })));
    await catalogue.add(...(await paymentFor(url, { extensions: tool("two"), to: `0x${"22".repeat(20)}` })));
    expect((await catalogue.list(all)).total).to.equal(3);
  });

  it("gives a description where clients of each version look for it", async () => {
    const catalogue = open();
    const description = "the weather of a city";
    await catalogue.add(...(await paymentFor("https://shop.example/two", { resource: { description } })));
    await catalogue.add(...(await paymentFor("https://shop.example/none", { resource: { description: "" } })));
    await catalogue.add(...(await v1PaymentFor("https://shop.example/one", description)));
    const { items } = await catalogue.list(all);
    const named = (name: string) => items.find(({ resource }) => resource.endsWith(name));
    expect(named("/two")).to.deep.include({ x402Version: 2, description, metadata: { description } });
    expect(named("/two")?.accepts[0]).not.to.have.property("description");
    expect(named("/none")).not.to.have.any.keys("description", "metadata");
    expect(named("/one")).to.deep.include({ x402Version: 1, description });
    expect(named("/one")?.accepts[0]).to.include({ description });
    const found = await catalogue.search({ text: "weather", limit: 10 });
    expect(found.items.map(({ metadata }) => metadata)).to.deep.equal([undefined, { description }]);
  });

  it("ends a page before it gets too large, and says how many there are", async () => {
    const catalogue = open();
    const pad = "x".repeat(30_000);
    const extensions = declareDiscoveryExtension({ method: "GET", input: { pad } } as never);
    for (let index = 0; index < 150; index += 1) {
      // One second each, since only a few new declarations are checked in a second.
      nowMs += 1_000;
      const [payload, requirements, request, caller] = await paymentFor(`https://shop.example/${index}`, {
        extensions,
      });
      await catalogue.add(payload, requirements, request, caller);
    }
    const first = await catalogue.list({ limit: 1_000, offset: 0 });
    expect(first.total).to.equal(150);
    expect(first.items.length).to.be.within(60, 149);
    expect(JSON.stringify(first.items).length).to.be.below(4_100_000);
    const rest = await catalogue.list({ limit: 1_000, offset: first.items.length });
    expect(first.items.length + rest.items.length).to.equal(150);
    // A client that continues by the limit of the answer, as some do, misses none.
    expect([first.limit, rest.limit]).to.deep.equal([first.items.length, 1_000]);
  });

  it("filters, pages and searches, the newest first", async () => {
    const catalogue = open();
    for (const name of ["rain", "sun", "snow"]) {
      nowMs += 1;
      const resource = { description: `a forecast of ${name}`, serviceName: "Sky", tags: ["weather"] };
      await catalogue.add(...(await paymentFor(`https://sky.example/${name}`, { resource })));
    }
    const urls = ({ items }: { items: readonly { resource: string }[] }) =>
      items.map(({ resource }) => resource.slice(20));
    expect(urls(await catalogue.list({ limit: 2, offset: 1 }))).to.deep.equal(["sun", "rain"]);
    expect((await catalogue.list({ ...all, type: "mcp" })).total).to.equal(0);
    expect((await catalogue.list({ ...all, network: "eip155:84532", scheme: "exact" })).total).to.equal(3);
    expect((await catalogue.list({ ...all, extensions: "bazaar" })).total).to.equal(3);
    expect((await catalogue.list({ ...all, extensions: "constructor" })).total).to.equal(0);
    expect((await catalogue.list({ ...all, payTo: `0x${"00".repeat(20)}` })).total).to.equal(0);
    expect(urls(await catalogue.search({ text: "SKY  rain", limit: 5 }))).to.deep.equal(["rain"]);
    expect(await catalogue.search({ text: "weather", limit: 2 })).to.include({ hasMore: true });
  });
});
