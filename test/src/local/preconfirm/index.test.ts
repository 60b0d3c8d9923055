import { expect } from "chai";
import { encodeFunctionData, erc20Abi, type Hex, keccak256 } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { type LocalChain, type LocalChainOptions, startLocalChain } from "../../../../src/local/index.ts";
import { until } from "../../../helpers/until.ts";

type Receipt = {
  readonly status: Hex;
  readonly blockNumber: Hex;
  readonly blockHash: Hex;
  readonly transactionIndex: Hex;
  readonly gasUsed: Hex;
  readonly logs: readonly { readonly blockHash: Hex; readonly data: Hex }[];
};
type Block = {
  readonly number: Hex;
  readonly hash: Hex;
  readonly timestamp: Hex;
  readonly transactions: readonly Hex[];
};

/** Code that returns the block's time: TIMESTAMP PUSH0 MSTORE PUSH1 32 PUSH0 RETURN. */
const CLOCK_CODE = "0x425f5260205ff3";
const CLOCK = "0x00000000000000000000000000000000000000ff";

/** Blocks come only when a test asks for one. */
const BY_HAND: LocalChainOptions = { blockTimeSeconds: 3600, preconfirmMs: 20 };

describe("preconfirming", () => {
  let chain: LocalChain;
  afterEach(() => chain.stop());
  const start = async (options: LocalChainOptions = {}): Promise<void> => {
    chain = await startLocalChain({ ...BY_HAND, ...options, bare: false });
  };

  const account = (index: number) => {
    const found = chain.accounts[index];
    if (found === undefined) throw new Error(`no account ${index}`);
    return found;
  };
  const ask = async <T>(method: string, ...params: unknown[]): Promise<T> => (await chain.request(method, params)) as T;
  const block = (tag: string) => ask<Block>("eth_getBlockByNumber", tag, false);
  const receiptOf = (hash: Hex) => ask<Receipt | null>("eth_getTransactionReceipt", hash);
  const receipt = (hash: Hex) =>
    until(async () => (await receiptOf(hash)) ?? undefined, `transaction ${hash} has a receipt`);
  const statusOf = (hash: Hex) => ask("base_transactionStatus", hash);
  const countOf = async (index: number, tag: string) =>
    Number(await ask("eth_getTransactionCount", account(index).address, tag));
  const transfer = (to: number, value: bigint) => ({
    to: chain.usdc,
    data: encodeFunctionData({ abi: erc20Abi, functionName: "transfer", args: [account(to).address, value] }),
  });
  const usdcOf = async (index: number, tag: string) => {
    const data = encodeFunctionData({ abi: erc20Abi, functionName: "balanceOf", args: [account(index).address] });
    return BigInt(await ask<Hex>("eth_call", { to: chain.usdc, data }, tag));
  };
  const send = (index: number, transaction: object = { to: CLOCK }) =>
    ask<Hex>("eth_sendTransaction", { from: account(index).address, gas: "0x20000", ...transaction });
  const signed = (index: number, nonce: number, tipWei = 1n) =>
    privateKeyToAccount(account(index).privateKey).signTransaction({
      chainId: chain.chainId,
      nonce,
      to: CLOCK,
      gas: 50_000n,
      maxPriorityFeePerGas: tipWei,
      maxFeePerGas: 1_000_000_000n,
    });
  const sendRaw = (raw: Hex) => ask<Hex>("eth_sendRawTransaction", raw);
  const messageOf = (answer: Promise<unknown>) =>
    answer.then(
      () => undefined,
      (error: Error) => error.message,
    );

  it("has a receipt and the pending state before the block", async () => {
    await start();
    const latest = await block("latest");
    const counted = await countOf(1, "latest");
    const hash = await send(1, transfer(15, 7n));
    const early = await receipt(hash);

    const pending = await block("pending");
    expect(early).to.include({ status: "0x1", transactionIndex: "0x0", blockHash: pending.hash });
    expect(Number(early.blockNumber)).to.equal(Number(latest.number) + 1);
    expect(early.logs.map(({ data }) => BigInt(data))).to.deep.equal([7n]);
    expect(pending).to.include({ number: early.blockNumber });
    expect(pending.transactions).to.deep.equal([hash]);
    const full = await ask("eth_getBlockByNumber", "pending", true);
    expect(full).to.have.nested.property("transactions[0].hash", hash);
    expect([await countOf(1, "pending"), await countOf(1, "latest")]).to.deep.equal([counted + 1, counted]);
    expect([await usdcOf(15, "pending"), await usdcOf(15, "latest")]).to.deep.equal([7n, 0n]);
    expect(await ask("eth_getBlockByNumber", early.blockNumber, false)).to.equal(null);
    expect(await block("latest")).to.deep.equal(latest);
    expect(await statusOf(hash)).to.deep.equal({ status: "Known" });
    expect(await statusOf(keccak256("0x01"))).to.deep.equal({ status: "Unknown" });
  });

  it("gives what was preconfirmed the same place and result in later steps and in the block", async () => {
    await start();
    await ask("hardhat_setCode", CLOCK, CLOCK_CODE);
    const first = await sendRaw(await signed(1, await countOf(1, "latest"), 1n));
    const early = await receipt(first);
    const moved = await send(3, transfer(15, 9n));
    const earlyMoved = await receipt(moved);
    const last = await sendRaw(await signed(2, await countOf(2, "latest"), 900_000_000n));
    expect(await receipt(last)).to.include({ transactionIndex: "0x2" });
    expect(await receiptOf(first)).to.deep.equal(early);
    const pending = await block("pending");
    expect(pending.transactions).to.deep.equal([first, moved, last]);

    await ask("evm_mine");
    const mined = await block("latest");
    expect(mined).to.deep.include({ number: pending.number, transactions: pending.transactions });
    expect(mined.hash).to.not.equal(pending.hash);
    const inBlock = (one: Receipt) => ({
      ...one,
      blockHash: mined.hash,
      logs: one.logs.map((log) => ({ ...log, blockHash: mined.hash, blockTimestamp: undefined })),
    });
    for (const [hash, before] of [[first, early] as const, [moved, earlyMoved] as const]) {
      const after = await receipt(hash);
      expect(inBlock(after)).to.deep.equal(inBlock(before));
      expect(after.blockHash).to.equal(mined.hash);
    }
    expect(await statusOf(first)).to.deep.equal({ status: "Unknown" });
    expect((await block("pending")).transactions).to.deep.equal([]);
  });

  it("makes the blocks itself, at the time that it said", async () => {
    await start({ blockTimeSeconds: 0.3 });
    const begun = Number(await ask("eth_blockNumber"));
    const hashes: Hex[] = [];
    const foretold = new Map<string, string>();
    await until(async () => {
      hashes.push(await send(hashes.length % 20));
      const { number, timestamp } = await block("pending");
      foretold.set(number, timestamp);
      return Number(await ask("eth_blockNumber")) >= begun + 4;
    });
    for (const hash of hashes) {
      await until(async () => Number((await receipt(hash)).blockNumber) <= Number(await ask("eth_blockNumber")));
    }
    const askedAt = Math.floor(Date.now() / 1000);
    for (let number = begun + 2; number < begun + 4; number += 1) {
      const { timestamp, transactions } = await block(`0x${number.toString(16)}`);
      expect(foretold.get(`0x${number.toString(16)}`), `block ${number}`).to.equal(timestamp);
      expect(transactions, `block ${number}`).to.not.deep.equal([]);
    }
    expect(Number((await block("latest")).timestamp)).to.be.at.most(askedAt + 1);
  });

  it("does not let a preconfirmed transaction be replaced", async () => {
    await start();
    const nonce = await countOf(1, "latest");
    const raw = await signed(1, nonce);
    const hash = await sendRaw(raw);
    await receipt(hash);
    expect(await messageOf(sendRaw(await signed(1, nonce, 500n)))).to.equal(
      `nonce too low: next nonce ${nonce + 1}, tx nonce ${nonce}`,
    );
    const given = { from: account(1).address, to: CLOCK, nonce: `0x${nonce.toString(16)}`, value: "0x1" };
    expect(await messageOf(ask("eth_sendTransaction", given))).to.contain("nonce too low");
    expect(await messageOf(sendRaw(raw))).to.contain("Known transaction");
    const second = await sendRaw(await signed(1, nonce + 1));
    expect(await receipt(second)).to.include({ transactionIndex: "0x1" });
    expect((await block("pending")).transactions).to.deep.equal([hash, second]);
  });

  it("does not count a transaction that waits for an earlier one", async () => {
    await start();
    const nonce = await countOf(1, "latest");
    const late = await sendRaw(await signed(1, nonce + 1));
    await receipt(await send(2));
    expect(await receiptOf(late)).to.equal(null);
    expect(await countOf(1, "pending")).to.equal(nonce);
    expect(await statusOf(late)).to.deep.equal({ status: "Known" });
    await sendRaw(await signed(1, nonce));
    await receipt(late);
    expect(await countOf(1, "pending")).to.equal(nonce + 2);
  });

  describe("that takes some back", () => {
    it("leaves them out for good, and mines the same bytes when they come again", async () => {
      await start({ takenBackShare: 1 });
      const nonce = await countOf(1, "latest");
      const raw = await signed(1, nonce);
      const hash = await sendRaw(raw);
      const behind = await sendRaw(await signed(1, nonce + 1));
      expect(await receipt(behind)).to.include({ status: "0x1" });
      expect(await receipt(hash)).to.include({ status: "0x1" });

      await ask("evm_mine");
      expect((await block("latest")).transactions).to.deep.equal([]);
      for (const one of [hash, behind]) expect(await receiptOf(one)).to.equal(null);
      expect(await ask("eth_getTransactionByHash", hash)).to.equal(null);
      expect(await statusOf(hash)).to.deep.equal({ status: "Unknown" });
      expect(await statusOf(behind), "it waits for the txNonce").to.deep.equal({ status: "Known" });
      expect([await countOf(1, "pending"), await countOf(1, "latest")]).to.deep.equal([nonce, nonce]);

      expect(await sendRaw(raw)).to.equal(hash);
      await receipt(behind);
      await ask("hardhat_dropTransaction", behind);
      await ask("evm_mine");
      expect((await block("latest")).transactions).to.deep.equal([hash]);
      expect(await countOf(1, "latest")).to.equal(nonce + 1);
    });

    it("takes back a share", async () => {
      await start({ takenBackShare: 0.5 });
      const hashes = await Promise.all(chain.accounts.map((_, index) => send(index)));
      for (const hash of hashes) await receipt(hash);
      await ask("evm_mine");
      const { transactions } = await block("latest");
      expect(hashes).to.include.members([...transactions]);
      expect(transactions.length).to.be.within(1, hashes.length - 1);
    });

    it("never takes back what the chain itself sends", async () => {
      await start({ takenBackShare: 1, blockTimeSeconds: 0.3 });
      await chain.fund(account(15).address, 5n);
      expect(await usdcOf(15, "latest")).to.equal(5n);
    });
  });

  describe("asked to do what a test asks", () => {
    beforeEach(() => start());

    it("drops a preconfirmed transaction", async () => {
      const [gone, kept] = [await send(1), await send(2)];
      await receipt(gone);
      await ask("hardhat_dropTransaction", gone);
      await until(async () => (await receiptOf(gone)) === null);
      await receipt(kept);
      await ask("evm_mine");
      expect((await block("latest")).transactions).to.deep.equal([kept]);
    });

    it("returns to a snapshot, and preconfirms again what is back in the mempool", async () => {
      const before = await send(1);
      await receipt(before);
      const snapshot = await ask("evm_snapshot");
      const after = await send(2);
      await receipt(after);
      await ask("evm_mine");
      const { number } = await block("latest");
      expect(await ask("evm_revert", snapshot)).to.equal(true);
      expect(Number(await ask("eth_blockNumber"))).to.equal(Number(number) - 1);
      expect(await receipt(before)).to.include({ blockNumber: number });
      expect(await receiptOf(after)).to.equal(null);
      expect((await block("pending")).transactions).to.deep.equal([before]);
    });

    it("moves its clock, and what is preconfirmed with it", async () => {
      await ask("hardhat_setCode", CLOCK, CLOCK_CODE);
      const { timestamp } = await block("pending");
      await ask("evm_increaseTime", 10_000);
      await until(async () => Number((await block("pending")).timestamp) >= Number(timestamp) + 10_000);
      const fixed = Number(timestamp) + 20_000;
      await ask("evm_setNextBlockTimestamp", fixed);
      await until(async () => Number((await block("pending")).timestamp) === fixed);
      await ask("evm_mine");
      expect(Number((await block("latest")).timestamp)).to.equal(fixed);
      expect(Number((await block("pending")).timestamp)).to.be.within(fixed, fixed + 3700);
      await ask("evm_mine", fixed + 50);
      expect(Number((await block("latest")).timestamp)).to.equal(fixed + 50);
      await ask("hardhat_mine", "0x3");
      const { number } = await block("latest");
      expect((await block("pending")).number).to.equal(`0x${(Number(number) + 1).toString(16)}`);
    });

    it("mines at once and in steps again", async () => {
      await ask("evm_setAutomine", true);
      const atOnce = await send(1);
      expect((await block("latest")).transactions).to.deep.equal([atOnce]);
      await ask("evm_setAutomine", false);
      const inSteps = await send(1);
      const early = await receipt(inSteps);
      expect(Number(early.blockNumber)).to.equal(Number(await ask("eth_blockNumber")) + 1);
    });

    it("makes blocks in another interval, or none", async () => {
      expect(await ask("evm_setIntervalMining", 100)).to.equal(true);
      const begun = Number(await ask("eth_blockNumber"));
      await until(async () => Number(await ask("eth_blockNumber")) >= begun + 3);
      await ask("evm_setIntervalMining", [50, 100]);
      await until(async () => Number(await ask("eth_blockNumber")) >= begun + 6);
      await ask("evm_setIntervalMining", 0);
      const { number } = await block("latest");
      await receipt(await send(1));
      expect((await block("latest")).number).to.equal(number);
      expect(await messageOf(ask("evm_setIntervalMining", "soon"))).to.contain("takes milliseconds");
    });

    it("sees a change of the state in what is preconfirmed", async () => {
      const hash = await send(1, transfer(15, 1n));
      expect(await receipt(hash)).to.include({ status: "0x1" });
      await ask("hardhat_setCode", chain.usdc, "0x5f5ffd"); // PUSH0 PUSH0 REVERT
      await until(async () => (await receipt(hash)).status === "0x0");
    });
  });
});

describe("startLocalChain without preconfirmations", () => {
  it("knows nothing of them", async () => {
    const chain = await startLocalChain({ blockTimeSeconds: 3600 });
    try {
      const [payer] = chain.accounts;
      const hash = await chain.request("eth_sendTransaction", [{ from: payer?.address, to: payer?.address }]);
      for (const [method, params] of [
        ["base_transactionStatus", [hash]],
        ["eth_subscribe", ["newFlashblockTransactions"]],
      ] as const) {
        expect(await chain.request(method, params).catch(() => "refused")).to.equal("refused");
      }
      expect(await chain.request("eth_getTransactionReceipt", [hash])).to.equal(null);
      expect(await chain.request("eth_getBlockByNumber", ["pending", false])).to.have.property("number", null);
    } finally {
      await chain.stop();
    }
  });
});
