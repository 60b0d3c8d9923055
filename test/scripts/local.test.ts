import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { ROUTER_ADDRESS } from "../../src/deployment.ts";
import { firstLine, type Running, runCli, spawnCommand, startCommand } from "../helpers/cli.ts";
import { until } from "../helpers/until.ts";

async function rpc(url: string, method: string, params: readonly unknown[] = []): Promise<unknown> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const answer: unknown = await (await fetch(url, { method: "POST", body })).json();
  return typeof answer === "object" && answer !== null && "result" in answer ? answer.result : answer;
}

async function isReachable(url: string): Promise<boolean> {
  return rpc(url, "eth_chainId").then(
    () => true,
    () => false,
  );
}

/** The fields of `--json` that are read here. */
type Summary = {
  readonly rpcUrl: string;
  readonly router: string | null;
  readonly accounts: readonly { readonly address: string }[];
};

/** Waits until `local --json` serves. */
async function serving<R extends Pick<Running, "stdout" | "until">>(running: R): Promise<R & { summary: Summary }> {
  return { ...running, summary: (await firstLine(running)) as Summary };
}

const command = (...args: readonly string[]) => ["local", "--port", "0", "--json", ...args];
const startLocal = (...args: readonly string[]) => serving(startCommand(command("--block-time", ...args)));

describe("local", () => {
  it("prints one line of JSON with every address, and serves", async () => {
    const local = await startLocal("0");
    const { summary } = local;
    expect(await rpc(summary.rpcUrl, "eth_chainId")).to.equal("0x14a34");
    const code = await local.stop();
    expect(summary).to.deep.include({
      chainId: 84532,
      usdc: "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
      router: ROUTER_ADDRESS,
      multicall3: "0xcA11bde05977b3631167028862bE2a173976CA11",
      batchSettlement: "0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003",
      createX: "0xba5Ed099633D3B313e4D5F7bdc1305d3c28ba5Ed",
      preconfirmMs: 0,
      takenBackShare: 0,
    });
    expect(summary.accounts).to.have.length(20);
    expect(local.stdout().trimEnd().split("\n")).to.have.length(1);
    expect({ code, stderr: local.stderr() }).to.deep.equal({ code: 0, stderr: "" });
  });

  it("shows the next steps as commands of a checkout", async () => {
    const local = startCommand(["local", "--port", "0"]);
    await local.until(() => local.stdout().includes("Ctrl-C stops it."));
    await local.stop();
    const calls = [...local.stdout().matchAll(/^ +(.*tributary.*) (fund|sign|settle) /gm)];
    expect(calls.map(([, how, command]) => [how, command])).to.deep.equal(
      ["fund", "sign", "settle"].map((command) => ["npm run -s tributary --", command]),
    );
  });

  for (const [signal, start] of [
    ["SIGINT", spawnCommand],
    ["SIGTERM", startCommand],
  ] as const) {
    it(`stops at ${signal} with exit code 0 and frees the port`, async () => {
      const local = await serving<Running>(start(command("--block-time", "1")));
      expect(await local.stop(signal)).to.equal(0);
      expect(await isReachable(local.summary.rpcUrl)).to.equal(false);
    });
  }

  it("makes a block every --block-time seconds", async () => {
    const local = await startLocal("0.5");
    const { rpcUrl } = local.summary;
    const [account] = local.summary.accounts;
    const height = async () => Number(await rpc(rpcUrl, "eth_blockNumber"));
    const begun = performance.now();
    const start = await height();
    const hash = await rpc(rpcUrl, "eth_sendTransaction", [{ from: account?.address, to: account?.address }]);
    expect(await rpc(rpcUrl, "eth_getTransactionReceipt", [hash])).to.equal(null);
    await until(async () => (await height()) >= start + 3);
    // Each took its time.
    expect(performance.now() - begun).to.be.above(950);
    expect(await rpc(rpcUrl, "eth_getTransactionReceipt", [hash])).to.have.property("status", "0x1");
    await local.stop();
  });

  it("preconfirms in steps with --preconfirm", async () => {
    const local = await startLocal("3600", "--preconfirm", "50", "--taken-back", "0.05");
    const { rpcUrl } = local.summary;
    expect(local.summary).to.include({ preconfirmMs: 50, takenBackShare: 0.05 });
    const [account] = local.summary.accounts;
    const hash = await rpc(rpcUrl, "eth_sendTransaction", [{ from: account?.address, to: account?.address }]);
    await until(async () => (await rpc(rpcUrl, "eth_getTransactionReceipt", [hash])) !== null);
    expect(await rpc(rpcUrl, "base_transactionStatus", [hash])).to.deep.equal({ status: "Known" });
    await local.stop();
  });

  it("says how often it preconfirms", async () => {
    const local = startCommand(["local", "--port", "0", "--preconfirm", "200", "--taken-back", "0.055"]);
    await local.until(() => local.stdout().includes("Ctrl-C stops it."));
    await local.stop();
    expect(local.stdout()).to.match(/preconfirmations +every 200 ms, 5\.5 % of them taken back/);
  });

  for (const [args, message, hint] of [
    [
      ["--block-time", "0.2", "--preconfirm", "200"],
      "Preconfirmations every 200 ms need a longer block time than 0.2 s.",
      "Pass a longer --block-time, or a shorter --preconfirm.",
    ],
    [
      ["--taken-back", "0.5"],
      "Without preconfirmations, none can be taken back.",
      "Pass --preconfirm too, 200 for example.",
    ],
  ] as const) {
    it(`refuses ${args.join(" ")}`, async () => {
      const { code, stderr } = await runCli(["local", "--port", "0", ...args]);
      expect({ code, stderr }).to.deep.equal({ code: 2, stderr: `error: ${message}\nhint: ${hint}\n` });
    });
  }

  it("leaves the router out with --bare", async () => {
    const local = await startLocal("0", "--bare");
    expect(local.summary.router).to.equal(null);
    expect(await rpc(local.summary.rpcUrl, "eth_getCode", [ROUTER_ADDRESS, "latest"])).to.equal("0x");
    await local.stop();
  });

  it("says what to do if the port is taken", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    const { code, stdout, stderr } = await runCli(["local", "--port", String(port)]);
    await new Promise((resolve) => other.close(resolve));
    expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
    expect(stderr).to.equal(
      `error: Port ${port} is already in use.\n` +
        "hint: Stop what listens there (another tributary local?), or pass --port 0 for a free one.\n",
    );
  });

  for (const [option, value, message] of [
    ["--port", "http", "Write a whole number from 0 to 65535."],
    ["--port", "65536", "Write a whole number from 0 to 65535."],
    ["--block-time", "-1", "Write a number of seconds from 0 to 3600."],
    ["--block-time", "fast", "Write a number of seconds from 0 to 3600."],
    ["--preconfirm", "0.2", "Write a whole number from 0 to 3600000."],
    ["--taken-back", "1.5", "Write a share from 0 to 1, such as 0.05."],
    ["--taken-back", "5%", "Write a share from 0 to 1, such as 0.05."],
  ] as const) {
    it(`refuses ${option} ${value}`, async () => {
      const { code, stderr } = await runCli(["local", `${option}=${value}`]);
      expect(code).to.equal(2);
      expect(stderr).to.contain(message);
    });
  }
});
