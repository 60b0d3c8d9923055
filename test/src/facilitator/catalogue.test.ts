import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { declareDiscoveryExtension } from "@x402/extensions/bazaar";
import { expect } from "chai";
import { createCatalogue } from "../../../src/facilitator/catalogue.ts";
import { readExact } from "../../../src/facilitator/wire.ts";
import { silentLogger } from "../../../src/logger.ts";
import { openStore, type Store } from "../../../src/settlement/store/index.ts";
import { authorize, bodyV2, payerOf } from "../../helpers/facilitator.ts";

const declared = declareDiscoveryExtension({ method: "GET", input: { city: "Paris" } } as never);

describe("createCatalogue", () => {
  let store: Store;
  let nowMs = 1_000;
  const clock = { now: () => nowMs, sleep: () => Promise.resolve() };
  beforeEach(async () => {
    store = await openStore(":memory:");
  });
  afterEach(() => store.close());

  const open = () => createCatalogue({ store, clock, logger: silentLogger });
  const all = { limit: 100, offset: 0 };
  /** A payment for a resource, as its three parts. */
  async function paymentFor(url: string, change: { to?: `0x${string}`; extensions?: object; resource?: object } = {}) {
    const signed = await authorize(payerOf(1), change.to === undefined ? {} : { to: change.to });
    const { paymentPayload, paymentRequirements } = bodyV2(signed);
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
    ] as const;
  }

  it("promises a declared resource, lists it once it is paid for, and has it after a restart", async () => {
    const payment = await paymentFor("https://shop.example/weather?city=Paris#now");
    expect(open().check(...payment)).to.deep.equal({ status: "processing" });
    expect((await open().list(all)).total).to.equal(0);
    expect(await open().add(...payment)).to.deep.equal({ status: "success" });
    const { items, total } = await open().list(all);
    expect(total).to.equal(1);
    expect(items[0]).to.include({ resource: "https://shop.example/weather", type: "http", x402Version: 2 });
    expect(items[0]?.lastUpdated).to.equal(new Date(nowMs).toISOString());
    expect(items[0]?.extensions).to.deep.equal(declared);
  });

  it("says nothing of a payment that declares nothing, and why it refuses what it does", async () => {
    const silent = await paymentFor("https://shop.example/x", { extensions: {} });
    expect(open().check(...silent)).to.equal(undefined);
    expect(await open().add(...silent)).to.equal(undefined);
    const bad = await paymentFor("https://shop.example/x", { extensions: { bazaar: { info: {}, schema: {} } } });
    const catalogue = open();
    expect((await catalogue.add(...bad))?.rejectedReason).to.be.a("string");
    expect(catalogue.check(...bad)?.status).to.equal("rejected");
    const local = await paymentFor("file:///etc/passwd");
    expect(await open().add(...local)).to.include({ status: "rejected" });
    expect((await open().list(all)).total).to.equal(0);
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
