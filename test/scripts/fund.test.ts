import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { type LocalChain, startLocalChain } from "../../src/local/index.ts";
import { type CliResult, runCli } from "../helpers/cli.ts";

const PAYEE = "0x00000000000000000000000000000000000000AA";

describe("fund", () => {
  let chain: LocalChain;
  before(async () => {
    chain = await startLocalChain();
  });
  after(() => chain.stop());

  const fund = (args: readonly string[], env: Record<string, string> = {}) =>
    runCli(["fund", ...args, "--rpc-url", chain.rpcUrl], { env });

  it("mints test USDC and prints the new balance", async () => {
    const first = await fund([PAYEE, "1.5"]);
    expect(first).to.deep.include({
      code: 0,
      stdout: `${PAYEE} got 1.5 USDC and now has 1.5 USDC.\n`,
      stderr: "",
    });
    const second = await fund([PAYEE, "0.000001", "--json"]);
    const { transaction, ...rest } = JSON.parse(second.stdout);
    expect(rest).to.deep.equal({ address: PAYEE, amount: "1", balance: "1500001" });
    const receipt = await chain.request("eth_getTransactionReceipt", [transaction]);
    expect(receipt).to.deep.include({ status: "0x1", to: chain.usdc.toLowerCase() });
  });

  it("takes the RPC URL from the environment", async () => {
    const { code, stdout } = await runCli(["fund", PAYEE, "1", "--json"], { env: { RPC_URL: chain.rpcUrl } });
    expect(code).to.equal(0);
    expect(JSON.parse(stdout)).to.have.property("amount", "1000000");
  });

  it("works while others do the same", async () => {
    const address = "0x00000000000000000000000000000000000000bb";
    const results = await Promise.all(["1", "2", "3"].map((amount) => fund([address, amount])));
    expect(results.map(({ code }) => code)).to.deep.equal([0, 0, 0]);
    const last = await fund([address, "4", "--json"]);
    expect(JSON.parse(last.stdout)).to.have.property("balance", "10000000");
  });

  const refusals: readonly (readonly [readonly string[], string])[] = [
    [["0x1234", "1"], "Write an address: 0x and 40 hex digits."],
    [[PAYEE.replace("AA", "Aa"), "1"], "Its checksum (EIP-55) is wrong"],
    [[PAYEE, "1.0000001"], "has 7 decimals; the token has 6"],
    [[PAYEE, "0"], "The amount is zero."],
    [[PAYEE, "0x10"], "is hexadecimal"],
    [[PAYEE], "missing required argument 'amount'"],
    [[PAYEE, "--", "-1"], "is negative"],
  ];
  describe("given", () => {
    let results: readonly CliResult[] = [];
    before(async () => {
      results = await Promise.all(refusals.map(([args]) => runCli(["fund", "--rpc-url", chain.rpcUrl, ...args])));
    });
    for (const [index, [args, message]] of refusals.entries()) {
      it(`refuses ${args.join(" ")}`, () => {
        expect(results[index]).to.deep.include({ code: 2, stdout: "" });
        expect(results[index]?.stderr).to.contain(message);
      });
    }
  });

  it("says that no node answers, without the path of the URL, which may hold a key", async () => {
    const { code, stderr } = await runCli(["fund", PAYEE, "1", "--rpc-url", "http://127.0.0.1:1/secret-api-key"]);
    expect(code).to.equal(1);
    expect(stderr).to.contain("No node answers at http://127.0.0.1:1");
    expect(stderr).to.not.contain("secret-api-key");
  });

  for (const [what, args, reason] of [
    ["another chain", ["--chain-id", "8453"], "its chain id is 8453, not 84532"],
    ["a development node without the token", ["--chain-id", "84532"], "test account #0 may not mint the token"],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const anvil = await startAnvil(args);
      const { code, stdout, stderr } = await runCli(["fund", PAYEE, "1", "--rpc-url", anvil.url]);
      await anvil.stop();
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
      expect(stderr).to.contain(reason);
      expect(stderr).to.contain("Nothing was sent.");
    });
  }

  it("refuses a real node of chain 84532", async () => {
    const { createServer } = await import("node:http");
    // A node that is not for development has another name; everything else comes from the chain behind it.
    const methods: string[] = [];
    const server = createServer(async (incoming, outgoing) => {
      let body = "";
      for await (const chunk of incoming) body += chunk;
      const answer = (request: { id: number; method: string; params?: unknown[] }) => {
        methods.push(request.method);
        if (request.method === "web3_clientVersion") return Promise.resolve("op-geth/v1.101");
        return chain.request(request.method, request.params ?? []);
      };
      const parsed = JSON.parse(body);
      const list = Array.isArray(parsed) ? parsed : [parsed];
      const answers = await Promise.all(
        list.map(async (request) => ({ jsonrpc: "2.0", id: request.id, result: await answer(request) })),
      );
      outgoing.setHeader("Content-Type", "application/json");
      outgoing.end(JSON.stringify(Array.isArray(parsed) ? answers : answers[0]));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const { code, stderr } = await runCli(["fund", PAYEE, "1", "--rpc-url", `http://127.0.0.1:${port}`]);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect(code).to.equal(2);
    expect(stderr).to.contain("this is Base Sepolia itself, or another real node. Nothing was sent.");
    expect(methods).to.not.include("eth_sendTransaction");
  });
});

/** A second development node, in its own process. */
async function startAnvil(args: readonly string[]): Promise<{ url: string; stop: () => Promise<void> }> {
  const launcher = join(dirname(createRequire(import.meta.url).resolve("@foundry-rs/anvil/package.json")), "bin.mjs");
  const child = spawn(process.execPath, [launcher, "--port", "0", ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const url = await new Promise<string>((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const match = /Listening on (127\.0\.0\.1:[0-9]+)/.exec(text);
      if (match?.[1] !== undefined) resolve(`http://${match[1]}`);
    });
    child.once("exit", () => reject(new Error(`anvil ended: ${text}`)));
  });
  return {
    url,
    stop: () =>
      new Promise((resolve) => {
        child.once("exit", () => resolve());
        child.kill("SIGTERM");
      }),
  };
}
