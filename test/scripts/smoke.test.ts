import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { erc20Abi } from "viem";
import { type ChainClient, connectChain } from "../../src/chain/client.ts";
import { ROUTER_ADDRESS } from "../../src/deployment.ts";
import { type BareLocalChain, startLocalChain } from "../../src/local/index.ts";
import { runCli, withFolder } from "../helpers/cli.ts";

const PAYEE = "0x00000000000000000000000000000000DeaDBeef";

describe("a fresh chain 84532 without the router", () => {
  let chain: BareLocalChain;
  let client: ChainClient;

  beforeEach(async () => {
    chain = await startLocalChain({ bare: true });
    client = await connectChain(chain.rpcUrl);
  });

  afterEach(() => chain.stop());

  const balanceOf = (address: `0x${string}`) =>
    client.readContract({ address: chain.usdc, abi: erc20Abi, functionName: "balanceOf", args: [address] });

  it("settles a file after deploy and doctor", async () => {
    await withFolder(async (cwd) => {
      const run = (args: readonly string[], env = {}) => runCli(args, { cwd, env: { RPC_URL: chain.rpcUrl, ...env } });
      const before = await run(["doctor", "--json"]);
      expect(before.code).to.equal(5);

      const deploy = await run(["deploy", "--json"]);
      expect(deploy.code, deploy.stderr).to.equal(0);
      expect(JSON.parse(deploy.stdout)).to.include({ status: "deployed", address: ROUTER_ADDRESS });

      const doctor = await run(["doctor", "--json"]);
      expect(doctor.code, doctor.stdout).to.equal(0);
      expect(JSON.parse(doctor.stdout)).to.include({ healthy: true });

      const payer = chain.accounts[2]!;
      const terms = ["--payee", PAYEE, "--amount", "0.01", "--count", "5", "--out", "payments.jsonl"];
      const sign = await run(["sign", ...terms], { PRIVATE_KEY: payer.privateKey });
      expect(sign.code, sign.stderr).to.equal(0);

      const settle = await run(["settle", "payments.jsonl", "--json"]);
      expect(settle.code, settle.stderr).to.equal(0);
      const results = (await readFile(join(cwd, "payments.jsonl.results.jsonl"), "utf8")).trim().split("\n");
      const hashes = results
        .map((line) => JSON.parse(line))
        .map(({ status, transactionHash }) => [status, transactionHash]);
      expect(new Set(hashes.map(String)).size).to.equal(1);
      expect(hashes).to.have.length(5);
      const [status, hash] = hashes[0] ?? [];
      expect(status).to.equal("settled");
      expect((await client.getTransaction({ hash })).to).to.equal(ROUTER_ADDRESS.toLowerCase());
      expect(await balanceOf(PAYEE)).to.equal(50_000n);
    });
  });

  describe("tributary smoke", () => {
    const smoke = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
      runCli(["smoke", "--network", "baseSepolia", ...args], { env: { RPC_URL: chain.rpcUrl, ...env } });

    it("deploys the router, settles payments through it and shows the balances", async () => {
      const { address, privateKey } = chain.accounts[3]!;
      const payment = ["--payee", PAYEE, "--count", "4", "--amount", "0.0025"];
      const { code, stdout, stderr } = await smoke([...payment, "--json"], { PRIVATE_KEY: privateKey });
      expect(code, stderr).to.equal(0);
      const { transactions, balances, ...rest } = JSON.parse(stdout);
      expect(rest).to.include({ chainId: 84532, settled: 4, payments: 4, routerUsed: true });
      expect(transactions).to.have.length(1);
      expect((await client.getTransaction({ hash: transactions[0].hash })).to).to.equal(ROUTER_ADDRESS.toLowerCase());
      expect(balances).to.deep.equal({
        payer: { address, before: "1000000000000", after: "999999990000" },
        payee: { address: PAYEE, before: "0", after: "10000" },
      });
      expect(await balanceOf(PAYEE)).to.equal(10_000n);
      expect(stderr).to.contain(`router deployed to ${ROUTER_ADDRESS}`);
      expect(stdout + stderr).to.not.contain(privateKey.slice(2));
    });

    it("pays a new address from the test account by default", async () => {
      const { code, stdout, stderr } = await smoke([]);
      expect(code, stderr).to.equal(0);
      expect(stdout).to.match(/^3 of 3 payments settled\ntransaction 0x[0-9a-f]{64}, \d+ gas\n/);
      expect(stdout).to.match(/\npayer 0x\w{40}: 1000000 → 999999\.9997 USDC\npayee 0x\w{40}: 0 → 0\.0003 USDC\n$/);
    });

    it("stops before it sends anything if the doctor finds a failure", async () => {
      const { address, privateKey } = chain.accounts[3]!;
      await chain.request("hardhat_setBalance", [address, "0x0"]);
      const { code, stdout, stderr } = await smoke([], { PRIVATE_KEY: privateKey });
      expect(code).to.equal(5);
      expect(stdout).to.equal("");
      expect(stderr).to.contain("error: The doctor found problems that stop payments (1); nothing was sent.");
      expect(await chain.request("eth_getCode", [ROUTER_ADDRESS, "latest"])).to.equal("0x");
    });

    it("names the faucet if the key has no USDC", async () => {
      const { address, privateKey } = chain.accounts[15]!;
      const { code, stderr } = await smoke([], { PRIVATE_KEY: privateKey });
      expect(code).to.equal(5);
      expect(stderr).to.contain(`${address} has 0 USDC and needs 0.0003.`).and.contain("https://faucet.circle.com");
      expect(await chain.request("eth_getTransactionCount", [address, "latest"])).to.equal("0x0");
    });

    describe("--report", () => {
      const readReport = async (folder: string) => JSON.parse(await readFile(join(folder, "trial.json"), "utf8"));

      it("writes a report into a new private file, with gas predicted and used, and no secret", async () => {
        await withFolder(async (cwd) => {
          const { address, privateKey } = chain.accounts[3]!;
          const args = ["smoke", "--payee", PAYEE, "--count", "4", "--report", "trial.json"];
          const env = { RPC_URL: `${chain.rpcUrl}/v2/apikey`, PRIVATE_KEY: privateKey };
          const { code, stdout, stderr } = await runCli(args, { cwd, env });
          expect(code, stderr).to.equal(0);
          expect(stderr).to.contain("report: trial.json");
          expect((await stat(join(cwd, "trial.json"))).mode & 0o777).to.equal(0o600);

          const { network, addresses, checks, deployment, settlement, ...rest } = await readReport(cwd);
          expect(network).to.include({ name: "Base Sepolia", chainId: 84532, isDevelopment: true });
          expect(network.node).to.match(/hardhat/i);
          expect(addresses).to.deep.equal({
            sender: address,
            payee: PAYEE,
            token: chain.usdc,
            router: ROUTER_ADDRESS,
          });
          expect(checks.filter(({ status }: { status: string }) => status === "fail")).to.deep.equal([]);
          expect(Object.keys(rest)).to.deep.equal(["tributary", "startedAt", "endedAt"]);

          const receipt = (hash: `0x${string}`) => client.getTransactionReceipt({ hash });
          const deployed = await receipt(deployment.transaction);
          expect(deployment.used).to.include({ transactions: 1, gas: String(deployed.gasUsed) });
          expect(Number(deployment.predictedGas) / Number(deployed.gasUsed)).to.be.within(0.99, 1.1);

          const { predicted, used, transactions, payments, balances } = settlement;
          const settled = await receipt(transactions[0].hash);
          const feeWei = String(settled.gasUsed * settled.effectiveGasPrice);
          expect(used).to.deep.equal({ transactions: 1, gas: String(settled.gasUsed), feeWei, dataFeeWei: "0" });
          expect(predicted.transactions).to.equal(1);
          expect(Number(predicted.gas) / Number(used.gas)).to.be.within(0.99, 1.1);
          expect(BigInt(predicted.feeWei)).to.equal(BigInt(predicted.gas) * BigInt(predicted.gasPriceWei));
          expect(payments.map(({ outcome }: { outcome: { status: string } }) => outcome.status)).to.deep.equal(
            new Array(4).fill("settled"),
          );
          expect(balances.payee).to.deep.equal({ address: PAYEE, before: "0", after: "400" });
          expect(stdout).to.contain(`predicted ${predicted.gas} gas and `).and.contain(`used ${used.gas} gas and `);

          const text = await readFile(join(cwd, "trial.json"), "utf8");
          expect(text).to.not.contain(privateKey.slice(2));
          expect(text)
            .to.not.contain("apikey")
            .and.to.not.match(/[0-9a-f]{128}/);
        });
      });

      it("sends nothing if the file already exists", async () => {
        await withFolder(async (cwd) => {
          await writeFile(join(cwd, "trial.json"), "another's");
          const sent = () => client.getTransactionCount({ address: chain.accounts[0]!.address });
          const before = await sent();
          const { code, stderr } = await runCli(["smoke", "--report", "trial.json"], {
            cwd,
            env: { RPC_URL: chain.rpcUrl },
          });
          expect(code).to.equal(2);
          expect(stderr).to.contain("trial.json exists and was left as it is; nothing was sent.");
          expect(await readFile(join(cwd, "trial.json"), "utf8")).to.equal("another's");
          expect(await sent()).to.equal(before);
        });
      });

      it("says why nothing was sent", async () => {
        await withFolder(async (cwd) => {
          const { address, privateKey } = chain.accounts[3]!;
          await chain.request("hardhat_setBalance", [address, "0x0"]);
          const env = { RPC_URL: chain.rpcUrl, PRIVATE_KEY: privateKey };
          const { code } = await runCli(["smoke", "--report", "trial.json"], { cwd, env });
          expect(code).to.equal(5);
          const { error, checks, settlement } = await readReport(cwd);
          expect(error.message).to.equal("The doctor found problems that stop payments (1); nothing was sent.");
          expect(checks.find(({ name }: { name: string }) => name === "signer")).to.include({ status: "fail" });
          expect(settlement).to.equal(undefined);
        });
      });
    });

    it("refuses another network's node", async () => {
      const { code, stderr } = await runCli(["smoke", "--network", "base", "--rpc-url", chain.rpcUrl]);
      expect(code).to.equal(2);
      expect(stderr).to.contain("The node is on chain 84532, not on Base (8453).");
    });
  });
});
