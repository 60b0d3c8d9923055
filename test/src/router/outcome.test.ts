import { expect } from "chai";
import { network } from "hardhat";
import { encodeFunctionData, type Hex, multicall3Abi } from "viem";
import type { SignedAuthorization } from "../../../src/authorization/types.ts";
import { type OutcomeReceipt, readBatchOutcomes, readDirectOutcome } from "../../../src/router/outcome.ts";
import {
  BATCH_ID,
  compact,
  deployRouter,
  MULTICALL3,
  settleData,
  TRANSACTION_GAS_CAP,
  testAccounts,
  testAddress,
} from "../../helpers/router.ts";
import { authorizationArgs, split } from "../../helpers/usdc.ts";

const OTHER_ID: Hex = `0x${"0b".repeat(32)}`;

describe("outcomes from receipts", () => {
  const payers = testAccounts(6, "outcome payer");
  const payee = testAddress("outcome payee");

  let connection: Awaited<ReturnType<typeof network.create>>;
  let f: Awaited<ReturnType<typeof fixture>>;

  async function fixture() {
    const f = await deployRouter(connection.viem);
    await f.fund([...payers.map(({ address }) => address), payee], 1000n);
    return f;
  }

  beforeEach(async () => {
    connection ??= await network.create();
    f = await connection.networkHelpers.loadFixture(fixture);
  });

  const pay = (i: number, terms: Parameters<typeof f.pay>[3] = {}, value = 5n) =>
    f.pay(payers[i]!, payee, value, terms);

  const read = (receipt: OutcomeReceipt, authorizations: readonly SignedAuthorization[], batchId = BATCH_ID) =>
    readBatchOutcomes(receipt, { router: f.router.address, batchId, authorizations });

  const direct = (a: SignedAuthorization): Hex => {
    const { v, r, s } = split(a.signature);
    const args = [...authorizationArgs(a), v, r, s] as const;
    return encodeFunctionData({ abi: f.usdc.abi, functionName: "transferWithAuthorization", args });
  };

  /** Several calls in one transaction, of which each may fail. */
  async function together(calls: readonly { target: Hex; callData: Hex }[]) {
    const args = [calls.map((call) => ({ ...call, allowFailure: true }))] as const;
    const data = encodeFunctionData({ abi: multicall3Abi, functionName: "aggregate3", args });
    const hash = await f.sender.sendTransaction({ to: MULTICALL3, data, gas: TRANSACTION_GAS_CAP });
    return f.publicClient.getTransactionReceipt({ hash });
  }

  describe("readBatchOutcomes", () => {
    it("tells settled from failed, with the index of the transfer's log", async () => {
      const batch = [await pay(0), await pay(1, { validBefore: 1n }), await pay(2, {}, 5000n), await pay(3)];
      const { receipt } = await f.settle(batch.map(compact));
      const outcomes = read(receipt, batch);
      expect(outcomes.map(({ status }) => status)).to.deep.equal(["settled", "failed", "failed", "settled"]);
      expect(outcomes[0]).to.deep.equal({ status: "settled", logIndex: 1 });
      expect(outcomes[3]).to.deep.equal({ status: "settled", logIndex: 5 });
      const reasons = outcomes.flatMap((o) => (o.status === "failed" ? [o.refusal.reason] : []));
      expect(reasons).to.deep.equal(["expired", "underfunded"]);
    });

    it("reads addresses and nonces however they are written", async () => {
      const batch = [await pay(0), await pay(1, { validBefore: 1n })];
      const { receipt } = await f.settle(batch.map(compact));
      const shouted = batch.map((a) => ({
        ...a,
        token: a.token.toLowerCase() as Hex,
        from: a.from.toLowerCase() as Hex,
        to: a.to.toLowerCase() as Hex,
        nonce: `0x${a.nonce.slice(2).toUpperCase()}` as Hex,
      }));
      expect(read(receipt, shouted)).to.deep.equal(read(receipt, batch));
    });

    it("says not-attempted for what the gas did not reach", async () => {
      const batch = await Promise.all([0, 1, 2, 3, 4, 5].map((i) => pay(i)));
      const { receipt } = await f.settle(batch.map(compact), { gas: 250_000n });
      const statuses = read(receipt, batch).map(({ status }) => status);
      const settled = statuses.filter((status) => status === "settled").length;
      expect(settled).to.be.within(1, 5);
      expect(statuses.slice(settled)).to.deep.equal(Array(6 - settled).fill("not-attempted"));
    });

    it("says not-attempted for everything in a transaction that reverted", async () => {
      const batch = [await pay(0), await pay(1)];
      const cut = settleData(f.usdc.address, batch.map(compact)).slice(0, -100) as Hex;
      const { receipt } = await f.send({ to: f.router.address, data: cut, gas: 10n ** 6n });
      expect(receipt.status).to.equal("reverted");
      expect(read(receipt, batch)).to.deep.equal([{ status: "not-attempted" }, { status: "not-attempted" }]);
    });

    it("keeps two batches of one transaction apart, with other payments between them", async () => {
      const first = [await pay(0), await pay(1, { validBefore: 1n })];
      const second = [await pay(2, { validBefore: 1n }), await pay(3)];
      const alone = await pay(4);
      const transfer = encodeFunctionData({ abi: f.usdc.abi, functionName: "transfer", args: [payee, 0n] });
      const receipt = await together([
        { target: f.usdc.address, callData: transfer },
        { target: f.router.address, callData: settleData(f.usdc.address, first.map(compact)) },
        { target: f.usdc.address, callData: direct(alone) },
        { target: f.router.address, callData: settleData(f.usdc.address, second.map(compact), { batchId: OTHER_ID }) },
        { target: f.usdc.address, callData: transfer },
      ]);
      expect(read(receipt, first).map(({ status }) => status)).to.deep.equal(["settled", "failed"]);
      expect(read(receipt, second, OTHER_ID).map(({ status }) => status)).to.deep.equal(["failed", "settled"]);
      expect(readDirectOutcome(receipt, alone).status).to.equal("settled");
      // A failure under the other's label is not one of this batch.
      expect(read(receipt, first, OTHER_ID)[1]).to.deep.equal({ status: "unproven" });
    });

    it("tells a batch that settled nothing from one that was not there", async () => {
      const bad = [await pay(0, { validBefore: 1n })];
      const { receipt } = await f.settle(bad.map(compact));
      expect(read(receipt, bad)[0]?.status).to.equal("failed");
      expect(read(receipt, bad, OTHER_ID)).to.deep.equal([{ status: "not-attempted" }]);
    });

    it("says settled for one that settled in the same transaction outside of the batch", async () => {
      const twice = await pay(0);
      const receipt = await together([
        { target: f.usdc.address, callData: direct(twice) },
        { target: f.router.address, callData: settleData(f.usdc.address, [compact(twice)]) },
      ]);
      expect(read(receipt, [twice])[0]?.status).to.equal("settled");
    });

    it("does not mistake a variant with other terms for the one that settled", async () => {
      const [one, variant] = [await pay(0, {}, 5n), await pay(0, {}, 6n)];
      const { receipt } = await f.settle([compact(one)]);
      expect(read(receipt, [one])[0]?.status).to.equal("settled");
      expect(read(receipt, [variant])).to.deep.equal([{ status: "unproven" }]);
      const elsewhere = { ...one, to: testAddress("another payee") };
      expect(read(receipt, [elsewhere])).to.deep.equal([{ status: "unproven" }]);
    });

    it("does not mistake another token's logs for this one's", async () => {
      const one = await pay(0);
      const { receipt } = await f.settle([compact(one)]);
      const foreign = { ...one, token: testAddress("another token") };
      expect(read(receipt, [foreign])).to.deep.equal([{ status: "unproven" }]);
    });

    it("ignores logs at the router's address that are not the router's", async () => {
      const one = await pay(0);
      const { receipt } = await f.settle([compact(one)]);
      const odd = {
        address: f.router.address,
        topics: [`0x${"12".repeat(32)}` as Hex],
        data: "0x" as Hex,
        logIndex: 9,
      };
      const logs: OutcomeReceipt["logs"] = [odd as OutcomeReceipt["logs"][number], ...receipt.logs];
      expect(read({ status: "success", logs }, [one])[0]?.status).to.equal("settled");
    });

    it("needs the transfer right after the use of the nonce", async () => {
      const one = await pay(0);
      const { receipt } = await f.settle([compact(one)]);
      const [used, moved, batch] = receipt.logs;
      expect(read({ status: "success", logs: [used!, batch!] }, [one])).to.deep.equal([{ status: "unproven" }]);
      expect(read({ status: "success", logs: [moved!, used!, batch!] }, [one])).to.deep.equal([{ status: "unproven" }]);
      expect(read({ status: "success", logs: [] }, [one])).to.deep.equal([{ status: "not-attempted" }]);
    });
  });

  describe("readDirectOutcome", () => {
    it("tells settled, failed and unproven apart", async () => {
      const one = await pay(0);
      const settled = await f.send({ to: f.usdc.address, data: direct(one), gas: 200_000n });
      expect(readDirectOutcome(settled.receipt, one)).to.deep.equal({ status: "settled", logIndex: 1 });
      expect(readDirectOutcome(settled.receipt, await pay(1))).to.deep.equal({ status: "unproven" });

      const again = await f.send({ to: f.usdc.address, data: direct(one), gas: 200_000n });
      expect(again.receipt.status).to.equal("reverted");
      const outcome = readDirectOutcome(again.receipt, one);
      expect(outcome.status === "failed" && outcome.refusal.reason).to.equal("refused");
    });
  });
});
