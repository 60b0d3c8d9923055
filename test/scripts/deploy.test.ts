import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { toHex } from "viem";
import { ROUTER_ADDRESS } from "../../src/deployment.ts";
import { type BareLocalChain, startLocalChain } from "../../src/local/index.ts";
import { startFaultyNode } from "../helpers/chainLab.ts";
import { runCli, spawnCli, withFolder } from "../helpers/cli.ts";

/** Makes every import of Ignition fail as if it were not installed. */
const WITHOUT_IGNITION = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from "node:module";
  registerHooks({
    resolve(specifier, context, next) {
      if (!specifier.startsWith("@nomicfoundation/hardhat-ignition")) return next(specifier, context);
      throw Object.assign(new Error("Cannot find package '" + specifier + "'"), { code: "ERR_MODULE_NOT_FOUND" });
    },
  });
`)}`;

describe("tributary deploy", () => {
  let chain: BareLocalChain;

  beforeEach(async () => {
    chain = await startLocalChain({ bare: true });
  });

  afterEach(() => chain.stop());

  const deploy = (args: readonly string[], options: Parameters<typeof runCli>[1] = {}) =>
    runCli(["deploy", "--rpc-url", chain.rpcUrl, ...args], options);

  const deployUnder = (module: string, ...args: readonly string[]) =>
    spawnCli(["deploy", "--rpc-url", chain.rpcUrl, ...args], { nodeOptions: ["--import", module] });

  it("deploys, says so again, and leaves no journal of a local chain", async () => {
    await withFolder(async (cwd) => {
      const first = await deploy(["--network", "baseSepolia"], { cwd });
      expect(first.code, first.stderr).to.equal(0);
      expect(first.stdout).to.match(
        new RegExp(
          `^router deployed to ${ROUTER_ADDRESS} on Base Sepolia \\(chain 84532\\)\ntransaction: 0x[0-9a-f]{64}\n`,
        ),
      );
      expect(first.stdout).to.contain("its code equals the artifact");
      const second = await deploy([], { cwd });
      expect(second.code).to.equal(0);
      expect(second.stdout).to.match(new RegExp(`^router already deployed at ${ROUTER_ADDRESS} `));
      expect(await readdir(cwd)).to.deep.equal([]);
    });
  });

  it("prints one object with --json, verification included", async () => {
    const { code, stdout } = await deploy(["--json", "--verify"], { env: { ETHERSCAN_API_KEY: "key" } });
    expect(code).to.equal(0);
    const { transaction, ...rest } = JSON.parse(stdout);
    expect(transaction).to.match(/^0x[0-9a-f]{64}$/);
    expect(rest).to.deep.equal({
      status: "deployed",
      address: ROUTER_ADDRESS,
      chainId: 84532,
      verification: { status: "skipped", reason: "a development chain has no explorer" },
    });
  });

  it("sends from PRIVATE_KEY, which appears nowhere", async () => {
    const { address, privateKey } = chain.accounts[9]!;
    const { code, stdout, stderr } = await deploy(["--json"], { env: { PRIVATE_KEY: privateKey } });
    expect(code, stderr).to.equal(0);
    expect(stdout + stderr).to.not.contain(privateKey.slice(2));
    expect(await chain.request("eth_getTransactionCount", [address, "latest"])).to.equal("0x1");
  });

  it("keeps the journal in --deployment-dir, and moves it aside when the chain began anew", async () => {
    await withFolder(async (folder) => {
      const dir = join(folder, "journals");
      const first = await deploy(["--deployment-dir", dir]);
      expect(first.code, first.stderr).to.equal(0);
      expect(await readdir(join(dir, "deployments"))).to.deep.equal(["chain-84532"]);

      await chain.stop();
      chain = await startLocalChain({ bare: true });
      const second = await deploy(["--deployment-dir", dir]);
      expect(second.code, second.stderr).to.equal(0);
      expect(second.stdout).to.contain("router deployed to");
      expect(second.stderr).to.contain("the journal was moved to");
      expect(await readdir(join(dir, "deployments"))).to.have.members(["chain-84532", "chain-84532-stale-1"]);
    });
  });

  it("continues a deployment whose transaction waited when it was interrupted", async () => {
    await withFolder(async (folder) => {
      await mkdir(join(folder, "deployments"), { recursive: true });
      await chain.request("evm_setAutomine", [false]);
      const args = ["--deployment-dir", folder, "--json"];
      const interrupted = await deployUnder(endAfterSending(), ...args);
      expect(interrupted.code).to.equal(9);
      expect(existsSync(join(folder, "deployments", "chain-84532", "journal.jsonl"))).to.equal(true);

      // Mined only once the second run waits for the account's transaction, which shows that it used the journal.
      let mined: Promise<unknown> | undefined;
      const node = await startFaultyNode(chain.rpcUrl, ({ method }) => {
        if (method === "eth_getTransactionCount") mined ??= sleep(300).then(() => chain.request("evm_mine"));
        return "pass";
      });
      const { code, stdout, stderr } = await runCli(["deploy", "--rpc-url", node.rpcUrl, ...args]);
      await node.stop();
      expect(code, stderr).to.equal(0);
      expect(JSON.parse(stdout)).to.include({ status: "deployed", address: ROUTER_ADDRESS });
      await mined;
      const sender = chain.accounts[0]!.address;
      const { transactions } = await blockOfDeployment();
      expect(transactions.filter(({ from }) => from.toLowerCase() === sender.toLowerCase())).to.have.length(1);
    });
  });

  it("asks before it sends to a real network, and keeps that journal in the working directory", async () => {
    const node = await startPublicNode(chain);
    const mining = setInterval(() => void chain.request("evm_mine").catch(() => undefined), 500);
    try {
      await withFolder(async (cwd) => {
        const asked = await runCli(["deploy", "--rpc-url", node.url], { cwd });
        expect(asked.code).to.equal(2);
        expect(asked.stderr).to.match(
          /This would deploy to Base Sepolia \(chain 84532\) from 0x\w{40}, for up to 0\.\d+ ETH/,
        );
        expect(asked.stderr).to.contain("hint: Pass --yes.");
        expect(await readdir(cwd)).to.deep.equal([]);

        const confirmed = await runCli(["deploy", "--rpc-url", node.url, "--yes", "--verify"], { cwd });
        expect(confirmed.code, confirmed.stderr).to.equal(0);
        expect(confirmed.stdout).to.contain(
          "verification skipped: the explorer's API key is missing (ETHERSCAN_API_KEY is not set)",
        );
        expect(await readdir(join(cwd, "ignition", "deployments"))).to.deep.equal(["chain-84532"]);
      });
    } finally {
      clearInterval(mining);
      await node.stop();
    }
  });

  it("refuses the wrong network, before anything is sent", async () => {
    const { code, stderr } = await deploy(["--network", "base"]);
    expect(code).to.equal(2);
    expect(stderr).to.contain("The node is on chain 84532, not on Base (8453).");
    expect(await chain.request("eth_getCode", [ROUTER_ADDRESS, "latest"])).to.equal("0x");
  });

  it("refuses an account without ether as a failed check", async () => {
    const { address, privateKey } = chain.accounts[9]!;
    await chain.request("hardhat_setBalance", [address, toHex(1n)]);
    const { code, stderr } = await deploy([], { env: { PRIVATE_KEY: privateKey } });
    expect(code).to.equal(5);
    expect(stderr).to.contain(`${address} cannot pay for the deployment.`).and.contain("hint: Send ether to");
  });

  it("says what to install if Ignition is missing", async () => {
    const { code, stderr } = await deployUnder(WITHOUT_IGNITION);
    expect(code).to.equal(1);
    expect(stderr).to.contain("A deployment needs Hardhat 3 with Ignition, which cannot be loaded here.");
    expect(stderr).to.match(/hint: .*npm install --save-dev hardhat@3\.\S+ @nomicfoundation\/hardhat-ignition@/);
  });

  type Block = { readonly transactions: readonly { readonly from: string; readonly to: string | null }[] };

  /** The first block that has transactions beyond those that made the chain. */
  async function blockOfDeployment(): Promise<Block> {
    const newest = Number(await chain.request("eth_blockNumber"));
    for (let number = newest; number > 0; number -= 1) {
      const block = (await chain.request("eth_getBlockByNumber", [toHex(number), true])) as Block;
      if (block.transactions.length > 0) return block;
    }
    return { transactions: [] };
  }
});

/**
 * Ends the process, as a crash would, when the node has answered the first eth_sendRawTransaction, so that Ignition
 * cannot note it.
 */
function endAfterSending(): string {
  return `data:text/javascript,${encodeURIComponent(`
    import { subscribe } from "node:diagnostics_channel";
    let sending = false;
    subscribe("undici:request:create", ({ request }) => {
      sending ||= String(request.body).includes("eth_sendRawTransaction");
    });
    subscribe("undici:request:trailers", () => { if (sending) process.exit(9); });
  `)}`;
}

/** The chain behind a node that does not call itself a development node. */
async function startPublicNode({ request }: BareLocalChain) {
  const answer = async ({ id, method, params }: { id: number; method: string; params?: readonly unknown[] }) => {
    if (method === "web3_clientVersion") return { jsonrpc: "2.0", id, result: "Geth/v1.101.0/linux-amd64/go1.24" };
    try {
      return { jsonrpc: "2.0", id, result: await request(method, params) };
    } catch (error) {
      return { jsonrpc: "2.0", id, error: { code: -32000, message: String(error) } };
    }
  };
  const server = createServer(async (incoming, response) => {
    let body = "";
    for await (const chunk of incoming) body += String(chunk);
    const calls = JSON.parse(body);
    const answers = Array.isArray(calls) ? await Promise.all(calls.map(answer)) : await answer(calls);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(answers));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
