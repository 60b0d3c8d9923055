import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { networks } from "../../src/networks.ts";
import { runCli, withFolder } from "../helpers/cli.ts";

const { usdc, caip2 } = networks.baseSepolia;
const KEY = `0x${"7".repeat(64)}`;

const offer = {
  scheme: "exact",
  network: caip2,
  amount: "1000",
  asset: usdc.address,
  payTo: "0x00000000000000000000000000000000000fee93",
  maxTimeoutSeconds: 60,
  extra: { name: usdc.name, version: usdc.version },
};
const asking = (accepts: unknown) => ({ x402Version: 2, error: "payment required", resource: { url: "" }, accepts });
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64");

describe("tributary pay and a server with invalid answers", () => {
  let server: Server;
  let url: string;
  let asked: unknown;
  let receipt: unknown;
  let payments = 0;

  before(async () => {
    server = createServer((request, response) => {
      const isPaid = request.headers["payment-signature"] !== undefined;
      if (isPaid) payments += 1;
      response.writeHead(402, isPaid ? { "payment-response": encode(receipt) } : { "payment-required": encode(asked) });
      response.end("{}");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/paid`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    payments = 0;
  });

  const pay = (cwd: string) => runCli(["pay", url], { cwd, env: { PRIVATE_KEY: KEY, RPC_URL: "http://127.0.0.1:9" } });

  const notX402 = "asks for a payment in a way that is not x402";
  const noneOfOurs = "accepts no payment that can be made here with the scheme exact; nothing was paid.";
  for (const [what, input, code, words] of [
    ["nothing", null, 1, notX402],
    ["no offers", asking(undefined), 1, notX402],
    ["offers that are not a list", asking("all"), 1, notX402],
    ["an empty list", asking([]), 2, noneOfOurs],
    ["an offer that is null", asking([null]), 2, noneOfOurs],
    ["an offer without an asset", asking([{ ...offer, asset: undefined }]), 2, noneOfOurs],
    ["an asset that is a number", asking([{ ...offer, asset: 5 }]), 2, noneOfOurs],
    ["a time that is not a number", asking([{ ...offer, maxTimeoutSeconds: "60" }]), 2, noneOfOurs],
    ["a time in the past", asking([{ ...offer, maxTimeoutSeconds: -5 }]), 2, noneOfOurs],
    ["more than a week", asking([{ ...offer, maxTimeoutSeconds: 604_801 }]), 1, "can settle for 604801 s"],
  ] as const) {
    it(`signs nothing if it is asked for ${what}`, () =>
      withFolder(async (folder) => {
        asked = input;
        const result = await pay(folder);
        expect(result.code, result.stderr).to.equal(code);
        expect(result.stderr).to.include(words).and.not.include("bug in tributary");
        expect(payments).to.equal(0);
      }));
  }

  it("takes the offer that it can pay from among those that it cannot", () =>
    withFolder(async (folder) => {
      asked = asking([null, { ...offer, asset: 5 }, { ...offer, maxTimeoutSeconds: 604_800 }]);
      receipt = { success: false, errorReason: "not_today", transaction: "" };
      const { code, stderr } = await pay(folder);
      expect(code, stderr).to.equal(3);
      expect(stderr).to.include("The server did not sell: not_today.");
      expect(payments).to.equal(1);
    }));

  it("shows a server's text without control characters, and only text", () =>
    withFolder(async (folder) => {
      asked = asking([offer]);
      receipt = { success: false, errorReason: "no\u001b[2J\u0007\nerror: none", transaction: "\u202e0x12" };
      const words = await pay(folder);
      expect(words.code).to.equal(3);
      expect(words.stderr).to.include("The server did not sell: no?[2J??error: none.").and.include("transaction ?0x12");
      receipt = { success: false, errorReason: { a: 1 }, transaction: { b: 2 } };
      const others = await pay(folder);
      expect(others.code).to.equal(3);
      expect(others.stderr).to.include("The server did not sell: status 402.").and.not.include("[object");
    }));
});
