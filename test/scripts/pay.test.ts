import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { HTTPFacilitatorClient, x402ResourceServer } from "@x402/core/server";
import { registerExactEvmScheme } from "@x402/evm/exact/server";
import { paymentMiddleware } from "@x402/express";
import { expect } from "chai";
import express from "express";
import { type Address, getAddress } from "viem";
import { type CliResult, runCli, withFolder } from "../helpers/cli.ts";
import { type FacilitatorLab, openFacilitatorLab } from "../helpers/facilitator.ts";

const PAYEE: Address = "0x00000000000000000000000000000000000fee99";

describe("tributary pay", () => {
  let lab: FacilitatorLab;
  let server: Server;
  let url: string;

  before(async () => {
    lab = await openFacilitatorLab({ blockTimeSeconds: 0 });
    const facilitator = await lab.serve();
    const app = express();
    const price = { scheme: "exact", network: "eip155:84532", payTo: PAYEE, price: "$0.002" } as const;
    const resources = new x402ResourceServer(new HTTPFacilitatorClient({ url: facilitator.url }));
    const own = { ...price, payTo: lab.chain.accounts[1]!.address };
    const dear = { ...price, price: "$1.5" };
    const routes = { "GET /paid": { accepts: price }, "GET /own": { accepts: own }, "GET /dear": { accepts: dear } };
    app.use(paymentMiddleware(routes, registerExactEvmScheme(resources)));
    app.get("/paid", (_request, response) => {
      response.json({ secret: 42 });
    });
    app.get("/dear", (_request, response) => {
      response.send("dear");
    });
    app.get("/free", (_request, response) => {
      response.send("free");
    });
    server = createServer(app);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await lab.stop();
  });

  const pay = (args: string[], env: Record<string, string> = {}): Promise<CliResult> =>
    withFolder((cwd) => runCli(["pay", ...args], { cwd, env: { RPC_URL: lab.chain.rpcUrl, ...env } }));

  it("shows the price, pays it, and prints the resource and the receipt", async () => {
    const { code, stdout, stderr } = await pay([`${url}/paid`]);
    expect(code).to.equal(0);
    expect(stdout).to.equal('{"secret":42}\n');
    expect(stderr).to.include(`price: 0.002 USDC on Base Sepolia, to ${PAYEE}`);
    expect(stderr).to.match(/paid 0\.002 USDC: transaction 0x[0-9a-f]{64}/);
    expect(await lab.balanceOf(PAYEE)).to.equal(2_000n);
  });

  it("prints one line of JSON", async () => {
    const { code, stdout } = await pay([`${url}/paid`, "--json"]);
    expect(code).to.equal(0);
    const { transaction, nonce, ...rest } = JSON.parse(stdout);
    for (const hash of [transaction, nonce]) expect(hash).to.match(/^0x[0-9a-f]{64}$/);
    expect(rest).to.deep.equal({
      url: `${url}/paid`,
      status: 200,
      outcome: "sold",
      paid: "2000",
      network: "eip155:84532",
      payTo: getAddress(PAYEE),
      reason: null,
      body: '{"secret":42}',
    });
  });

  it("pays nothing above --max", async () => {
    const before = await lab.balanceOf(PAYEE);
    const { code, stderr } = await pay([`${url}/paid`, "--max", "0.001999"]);
    expect(code).to.equal(2);
    expect(stderr).to.include("The price of 0.002 USDC is above the 0.001999 of --max; nothing was paid.");
    expect(await lab.balanceOf(PAYEE)).to.equal(before);
  });

  it("pays nobody from their own pocket", async () => {
    const { code, stderr } = await pay([`${url}/own`]);
    expect(code).to.equal(2);
    expect(stderr).to.include(`${lab.chain.accounts[1]!.address} would pay itself; nothing was paid.`);
  });

  it("pays exactly --max", async () => {
    expect((await pay([`${url}/paid`, "--max", "0.002"])).code).to.equal(0);
  });

  it("pays what the official client refuses by default, within --max", async () => {
    const { code, stdout, stderr } = await pay([`${url}/dear`, "--max", "1.5"]);
    expect({ code, stdout }, stderr).to.deep.equal({ code: 0, stdout: "dear\n" });
  });

  it("prints what costs nothing", async () => {
    const { code, stdout, stderr } = await pay([`${url}/free`]);
    expect({ code, stdout }).to.deep.equal({ code: 0, stdout: "free\n" });
    expect(stderr).to.include("answered 200 without asking for a payment");
  });

  it("says why the server did not sell", async () => {
    const { code, stderr } = await pay([`${url}/paid`], { PRIVATE_KEY: `0x${"5".repeat(64)}` });
    expect(code).to.equal(3);
    expect(stderr).to.include("invalid_exact_evm_insufficient_balance");
  });

  it("asks for a key if there is no local chain", async () => {
    const { code, stderr } = await pay([`${url}/paid`, "--rpc-url", "http://127.0.0.1:9"]);
    expect(code).to.equal(2);
    expect(stderr).to.include("No key to pay with; nothing was paid.");
  });

  it("pays with the key of the environment", async () => {
    const { privateKey } = lab.chain.accounts[8]!;
    const { code } = await pay([`${url}/paid`, "--rpc-url", "http://127.0.0.1:9"], { PRIVATE_KEY: privateKey });
    expect(code).to.equal(0);
  });

  it("says that a server cannot be reached", async () => {
    const { code, stderr } = await pay(["http://127.0.0.1:9/x"]);
    expect(code).to.equal(1);
    expect(stderr).to.include("http://127.0.0.1:9 cannot be reached.");
  });
});
