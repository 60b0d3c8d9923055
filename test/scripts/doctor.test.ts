import { expect } from "chai";
import { ROUTER_ADDRESS } from "../../src/deployment.ts";
import { type LocalChain, startLocalChain } from "../../src/local/index.ts";
import { runCli } from "../helpers/cli.ts";

describe("tributary doctor", () => {
  let chain: LocalChain;

  before(async () => {
    chain = await startLocalChain();
  });

  after(() => chain.stop());

  it("prints a line for each check and ends with 0 if all is well", async () => {
    const { code, stdout } = await runCli(["doctor", "--rpc-url", chain.rpcUrl, "--network", "baseSepolia"]);
    expect(code).to.equal(0);
    expect(stdout).to.contain(`ok    router              ${ROUTER_ADDRESS}, code as built\n`);
    expect(stdout).to.match(/\n16 ok, 0 to look at, 0 failed\n$/);
  });

  it("takes the URL from RPC_URL and prints one object with --json", async () => {
    const { code, stdout } = await runCli(["doctor", "--json"], { env: { RPC_URL: chain.rpcUrl } });
    expect(code).to.equal(0);
    const report = JSON.parse(stdout);
    expect(report).to.include({ chainId: 84532, healthy: true });
    expect(report.checks[2]).to.deep.equal({ name: "router", status: "ok", found: `${ROUTER_ADDRESS}, code as built` });
  });

  it("checks the account of PRIVATE_KEY, and shows only its address", async () => {
    const { address, privateKey } = chain.accounts[8]!;
    const env = { PRIVATE_KEY: privateKey };
    const { stdout, stderr } = await runCli(["doctor", "--rpc-url", chain.rpcUrl], { env });
    expect(stdout).to.contain(`signer              ${address} has 10000 ETH`);
    expect(stdout + stderr).to.not.contain(privateKey.slice(2));
  });

  it("ends with 5 if a check fails, with its fix in the line below", async () => {
    const { code, stdout } = await runCli(["doctor", "--rpc-url", chain.rpcUrl, "--network", "base"]);
    expect(code).to.equal(5);
    expect(stdout).to.match(
      /fail {2}chain id {2}84532 \(Base Sepolia\), not 8453\n +→ Use a node of Base, chain id 8453\. --rpc-url \(or RPC_URL\) names the node/,
    );
  });

  it("ends with 5 if no node answers", async () => {
    const { code, stdout } = await runCli(["doctor", "--rpc-url", "http://127.0.0.1:1"]);
    expect(code).to.equal(5);
    expect(stdout).to.contain("fail  RPC  no answer from http://127.0.0.1:1");
  });

  it("refuses a network that does not exist", async () => {
    const { code, stderr } = await runCli(["doctor", "--network", "atlantis"]);
    expect(code).to.equal(2);
    expect(stderr).to.contain("atlantis");
  });
});
