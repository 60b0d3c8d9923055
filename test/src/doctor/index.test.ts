import { expect } from "chai";
import { encodeFunctionData, parseAbi } from "viem";
import { BATCH_SETTLEMENT_ADDRESS, ERC3009_DEPOSIT_COLLECTOR_ADDRESS } from "../../../src/channels/index.ts";
import { CREATE_X_ADDRESS, ROUTER_ADDRESS } from "../../../src/deployment.ts";
import { type DoctorOptions, type DoctorReport, runDoctor } from "../../../src/doctor/index.ts";
import { type LocalChain, startLocalChain } from "../../../src/local/index.ts";
import { networks } from "../../../src/networks.ts";

const ok = [
  ["RPC", "ok"],
  ["chain id", "ok"],
  ["router", "ok"],
  ["Multicall3", "ok"],
  ["channels", "ok"],
  ["data fee", "ok"],
  ["clock", "ok"],
  ["preconfirmations", "ok"],
  ["signer", "ok"],
  ["txNonce", "ok"],
  ["token", "ok"],
  ["EIP-712 domain", "ok"],
  ["token state", "ok"],
  ["overload (v, r, s)", "ok"],
  ["overload bytes", "ok"],
  ["dry run", "ok"],
];

const MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11";

const statuses = ({ checks }: DoctorReport) => checks.map(({ name, status }) => [name, status]);
const check = ({ checks }: DoctorReport, name: string) => checks.find((one) => one.name === name);

describe("runDoctor", () => {
  let chain: LocalChain;

  beforeEach(async () => {
    chain = await startLocalChain();
  });

  afterEach(() => chain.stop());

  const doctor = async (options: DoctorOptions = {}, rpcUrl = chain.rpcUrl) =>
    runDoctor(rpcUrl, { sender: chain.accounts[0]!.address, nowSeconds: await chain.now(), ...options });

  it("finds everything well on the local chain, and sends nothing", async () => {
    const before = await chain.request("eth_blockNumber");
    const report = await doctor({ network: networks.baseSepolia });
    expect(statuses(report)).to.deep.equal(ok);
    expect(report).to.include({ chainId: 84532, healthy: true });
    expect(report.checks.every(({ fix }) => fix === undefined)).to.equal(true);
    expect(await chain.request("eth_blockNumber")).to.equal(before);
  });

  it("says whether the node preconfirms", async () => {
    const found = async (rpcUrl?: string) => check(await doctor({}, rpcUrl), "preconfirmations")?.found;
    expect(await found()).to.equal("no, receipts come with their block");
    const quick = await startLocalChain({ blockTimeSeconds: 3600, preconfirmMs: 20 });
    try {
      expect(await found(quick.rpcUrl)).to.equal("yes, receipts come before their block");
    } finally {
      await quick.stop();
    }
  });

  it("stops at a node that does not answer, without its path", async () => {
    const report = await doctor({}, "http://127.0.0.1:1/secret");
    expect(report).to.include({ chainId: undefined, healthy: false });
    expect(statuses(report)).to.deep.equal([["RPC", "fail"]]);
    expect(JSON.stringify(report)).to.contain("http://127.0.0.1:1").and.not.contain("secret");
  });

  it("stops at the wrong network", async () => {
    const report = await doctor({ network: networks.base });
    expect(statuses(report)).to.deep.equal([
      ["RPC", "ok"],
      ["chain id", "fail"],
    ]);
  });

  it("fails without the router, and says how to deploy it", async () => {
    await chain.request("hardhat_setCode", [ROUTER_ADDRESS, "0x"]);
    const report = await doctor();
    expect(report.healthy).to.equal(false);
    expect(check(report, "router")).to.deep.equal({
      name: "router",
      status: "fail",
      found: `no code at ${ROUTER_ADDRESS}`,
      fix: "Deploy it.",
    });
    expect(check(report, "dry run")?.status).to.equal("warn");
  });

  it("fails if other code is at the router's address", async () => {
    await chain.request("hardhat_setCode", [ROUTER_ADDRESS, "0x600160015500"]);
    const report = await doctor();
    expect(check(report, "router")).to.include({ status: "fail", found: `other code at ${ROUTER_ADDRESS} (6 bytes)` });
  });

  it("fails if the token has no code or is not an EIP-3009 token", async () => {
    const nobody = await doctor({ token: chain.accounts[5]!.address });
    expect(check(nobody, "token")).to.include({
      status: "fail",
      fix: `Check the token's address; USDC is ${networks.baseSepolia.usdc.address}.`,
    });
    const factory = await doctor({ token: CREATE_X_ADDRESS });
    expect(check(factory, "EIP-712 domain")?.status).to.equal("fail");
    expect(check(factory, "token state")?.status).to.equal("fail");
  });

  it("fails while the token is paused", async () => {
    const data = encodeFunctionData({ abi: parseAbi(["function pauser() view returns (address)"]) });
    const answer = await chain.request("eth_call", [{ to: chain.usdc, data }, "latest"]);
    const pauser = `0x${String(answer).slice(-40)}`;
    await chain.request("hardhat_impersonateAccount", [pauser]);
    await chain.request("hardhat_setBalance", [pauser, "0xde0b6b3a7640000"]);
    const pause = encodeFunctionData({ abi: parseAbi(["function pause()"]) });
    await chain.request("eth_sendTransaction", [{ from: pauser, to: chain.usdc, data: pause }]);
    const report = await doctor();
    expect(check(report, "token state")).to.include({ status: "fail", found: "paused by its issuer" });
    expect(check(report, "overload bytes")).to.include({ status: "fail", found: "refused: Pausable: paused" });
    expect(check(report, "dry run")?.found).to.equal("a batch of two: 2 attempted, 2 refused; expected 2 and 1");
  });

  it("warns without Multicall3", async () => {
    await chain.request("hardhat_setCode", [MULTICALL3, "0x"]);
    const report = await doctor();
    expect(report.healthy).to.equal(true);
    expect(check(report, "Multicall3")?.status).to.equal("warn");
  });

  it("warns without x402's channel contracts if the network has them", async () => {
    for (const address of [ERC3009_DEPOSIT_COLLECTOR_ADDRESS, BATCH_SETTLEMENT_ADDRESS]) {
      await chain.request("hardhat_setCode", [address, "0x"]);
      const report = await doctor();
      expect(report.healthy).to.equal(true);
      expect(check(report, "channels")).to.include({ status: "warn", found: `no code at ${address}` });
    }
  });

  it("warns without a signer, and fails with one that has nothing", async () => {
    const nobody = await doctor({ sender: undefined });
    expect(nobody.healthy).to.equal(true);
    expect(check(nobody, "signer")?.status).to.equal("warn");
    expect(check(nobody, "txNonce")).to.equal(undefined);

    const poor = chain.accounts[6]!.address;
    await chain.request("hardhat_setBalance", [poor, "0x0"]);
    const report = await doctor({ sender: poor });
    expect(check(report, "signer")).to.include({ status: "fail", fix: `Send ether to ${poor}.` });
  });

  it("warns about a transaction that waits", async () => {
    await chain.request("evm_setAutomine", [false]);
    const { address } = chain.accounts[0]!;
    await chain.request("eth_sendTransaction", [{ from: address, to: address }]);
    const report = await doctor();
    const { found, status } = check(report, "txNonce")!;
    expect(status).to.equal("warn");
    expect(found).to.match(/^1 transaction waits from txNonce \d+ on$/);
    await chain.request("evm_mine");
    expect(check(await doctor(), "txNonce")?.status).to.equal("ok");
  });

  it("warns and fails by the clock", async () => {
    const { timestamp } = (await chain.request("eth_getBlockByNumber", ["latest", false])) as { timestamp: string };
    const at = async (offset: bigint) => check(await doctor({ nowSeconds: BigInt(timestamp) - offset }), "clock");
    expect(await at(0n)).to.include({ status: "ok", found: "the newest block has the machine's time" });
    expect(await at(31n)).to.include({ status: "warn", found: "the newest block is 31 s ahead of the machine" });
    expect((await at(301n))?.status).to.equal("fail");
  });
});
