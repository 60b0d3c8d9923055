import { expect } from "chai";
import { network } from "hardhat";
import { type Address, type Hex, parseEventLogs, size } from "viem";
import { readBatchOutcomes } from "../../../src/router/outcome.ts";
import type { RefusalReason } from "../../../src/router/reason.ts";
import { ROUTER_RESERVE_GAS, type RouterItem } from "../../../src/router/wire.ts";
import {
  BATCH_ID,
  compact,
  DEFAULT_ALLOWANCE,
  deployRouter,
  failedIndices,
  settleData,
  testAccount,
  testAccounts,
  testAddress,
  wide,
} from "../../helpers/router.ts";

const MEGABYTE = 1_000_000n;

const ones = (bytes: number): Hex => `0x${"ff".repeat(bytes)}`;

describe("SettlementRouter.settle with hostile code", () => {
  const payers = testAccounts(60, "hostile payer");
  const payee = testAddress("hostile payee");
  const START = 1_000_000n;

  let connection: Awaited<ReturnType<typeof network.create>>;
  let f: Awaited<ReturnType<typeof fixture>>;

  async function fixture() {
    const f = await deployRouter(connection.viem);
    await f.fund([...payers.map(({ address }) => address), payee], START);
    return f;
  }

  beforeEach(async () => {
    connection ??= await network.create();
    f = await connection.networkHelpers.loadFixture(fixture);
  });

  const payAll = (count: number) =>
    Promise.all(payers.slice(0, count).map((payer, i) => f.pay(payer, payee, BigInt(i))));
  const received = async () => (await f.usdc.read.balanceOf([payee])) - START;

  function outcomes(
    receipt: Parameters<typeof readBatchOutcomes>[0],
    items: readonly RouterItem[],
    batchId = BATCH_ID,
  ) {
    const authorizations = items.map(({ authorization }) => authorization);
    return readBatchOutcomes(receipt, { router: f.router.address, batchId, authorizations });
  }

  describe("payers", () => {
    /** Settles `bad` among good items: it fails alone and adds at most `mostGas`; the reason is the signature or gas. */
    async function expectOnlyFailure(bad: RouterItem, mostGas: bigint, reasons: readonly RefusalReason[]) {
      const good = (await payAll(4)).map(compact);
      const state = await connection.networkHelpers.takeSnapshot();
      const without = await f.settle(good);
      await state.restore();

      const items = [...good.slice(0, 2), bad, ...good.slice(2)];
      const { attempted, failures } = await f.preflight(items);
      expect(failedIndices(failures, attempted)).to.deep.equal([2]);
      const { receipt } = await f.settle(items);
      const read = outcomes(receipt, items);
      const statuses = read.map(({ status }) => status);
      expect(statuses).to.deep.equal(["settled", "settled", "failed", "settled", "settled"]);
      expect(await received()).to.equal(0n + 1n + 2n + 3n);
      expect(receipt.gasUsed - without.receipt.gasUsed <= mostGas, "costs no more than its allowance").to.equal(true);
      // The token keeps a 64th of the gas when it asks the payer, so a burner looks like a bad signature.
      expect(read[2]?.status === "failed" && read[2].refusal.reason).to.be.oneOf(reasons);
    }

    it("lets a contract that burns all gas burn its own allowance", async () => {
      const wallet = await connection.viem.deployContract("BurnerWallet");
      await f.fund([wallet.address], START);
      const bad = await f.pay(payers[9]!, payee, 100n, { from: wallet.address });
      for (const allowance of [DEFAULT_ALLOWANCE, 2_000_000n]) {
        const state = await connection.networkHelpers.takeSnapshot();
        await expectOnlyFailure(wide(bad, "bytes", allowance), allowance + 9000n, ["bad-signature"]);
        await state.restore();
      }
    });

    it("lets a delegate that burns all gas burn its own allowance, in the compact form too", async () => {
      await f.delegate([payers[9]!], (await connection.viem.deployContract("BurnerWallet")).address);
      const bad = await f.pay(payers[9]!, payee, 100n);
      await expectOnlyFailure(compact(bad), DEFAULT_ALLOWANCE + 9000n, ["bad-signature"]);
    });

    it("lets a wallet that answers with a megabyte pay for it out of its allowance", async () => {
      const wallet = await connection.viem.deployContract("BombWallet", [MEGABYTE]);
      await f.fund([wallet.address], START);
      const bad = await f.pay(payers[9]!, payee, 100n, { from: wallet.address });
      for (const allowance of [DEFAULT_ALLOWANCE, 5_000_000n]) {
        const state = await connection.networkHelpers.takeSnapshot();
        await expectOnlyFailure(wide(bad, "bytes", allowance), allowance + 9000n, ["bad-signature", "gas-capped"]);
        await state.restore();
      }
    });

    it("fails a payer that delegates to an address without code", async () => {
      await f.delegate([payers[9]!], testAddress("no code here"));
      const bad = await f.pay(payers[9]!, payee, 100n);
      await expectOnlyFailure(compact(bad), DEFAULT_ALLOWANCE, ["bad-signature"]);
    });

    it("settles all good payments when half of 60 payers turn into burners after the pre-flight", async () => {
      const signed = await payAll(60);
      // Compact, because they had no code yet: the pre-flight found nothing wrong.
      const items = signed.map(compact);
      const { attempted, failures } = await f.preflight(items);
      expect(failedIndices(failures, attempted)).to.deep.equal([]);

      const state = await connection.networkHelpers.takeSnapshot();
      const honest = await f.settle(items.filter((_, i) => i % 2 === 0));
      await state.restore();

      const burners = payers.filter((_, i) => i % 2 === 1);
      await f.delegate(burners, (await connection.viem.deployContract("BurnerWallet")).address);

      // The gas of a planner that trusts no payer: all allowances, the router's own work, and calldata.
      const data = settleData(f.usdc.address, items);
      const perItem = DEFAULT_ALLOWANCE + 6000n;
      const gas = 21_000n + 16n * BigInt(size(data)) + perItem * 60n + DEFAULT_ALLOWANCE / 63n + ROUTER_RESERVE_GAS;
      const { receipt } = await f.settle(items, { gas });

      const read = outcomes(receipt, items);
      for (const [i, outcome] of read.entries()) expect(outcome.status).to.equal(i % 2 === 1 ? "failed" : "settled");
      expect(await received()).to.equal(signed.reduce((sum, { value }, i) => (i % 2 === 1 ? sum : sum + value), 0n));
      for (const { address } of burners) expect(await f.usdc.read.balanceOf([address])).to.equal(START);

      // The loss is bounded by the burners' allowances, and the batch's report adds up to it.
      const last = f.routerEvents(receipt.logs).at(-1);
      expect(last?.args).to.include({ attempted: 60n, failed: 30n });
      expect(receipt.gasUsed <= honest.receipt.gasUsed + 30n * perItem).to.equal(true);
      expect(receipt.gasUsed <= gas).to.equal(true);
    });

    it("stops early, and reports it, when the gas does not cover what the burners take", async () => {
      const signed = await payAll(20);
      const items = signed.map(compact);
      const gas = 1_300_000n;
      expect((await f.preflight(items, { gas })).attempted).to.equal(20n);
      await f.delegate(payers.slice(0, 10), (await connection.viem.deployContract("BurnerWallet")).address);
      const { receipt } = await f.settle(items, { gas });
      const statuses = outcomes(receipt, items).map(({ status }) => status);
      expect(receipt.status).to.equal("success");
      expect(statuses.slice(0, 10)).to.deep.equal(Array(10).fill("failed"));
      expect(statuses.at(-1)).to.equal("not-attempted");
      const untouched = signed.filter((_, i) => statuses[i] === "not-attempted");
      expect(untouched.length).to.be.above(0);
      for (const a of untouched) expect(await f.usdc.read.authorizationState([a.from, a.nonce])).to.equal(false);
    });
  });

  describe("tokens", () => {
    /** Terms for another token: nothing checks their signature. */
    async function itemsFor(token: Address, count: number): Promise<RouterItem[]> {
      const signed = await Promise.all(
        Array.from({ length: count }, (_, i) => f.pay(payers[i]!, payee, 7n, { token, label: `${i}` })),
      );
      return signed.map(compact);
    }

    it("copies 256 bytes of a reason of a megabyte", async () => {
      const token = await connection.viem.deployContract("BombToken", [MEGABYTE]);
      const items = await itemsFor(token.address, 3);
      const { receipt } = await f.settle(items, { token: token.address, gasAllowance: 4_000_000n });
      const events = f.routerEvents(receipt.logs);
      expect(events.at(-1)?.args).to.include({ attempted: 3n, failed: 3n });
      for (const event of events.slice(0, -1)) {
        expect(event.eventName === "AuthorizationFailed" && event.args.reason).to.equal(ones(256));
      }
    });

    for (const length of [0n, 1n, 31n, 32n, 33n, 255n, 256n, 257n]) {
      it(`reports a reason of ${length} bytes`, async () => {
        const token = await connection.viem.deployContract("BombToken", [length]);
        const items = await itemsFor(token.address, 1);
        const { receipt } = await f.settle(items, { token: token.address });
        const event = f.routerEvents(receipt.logs)[0];
        const expected = ones(Math.min(Number(length), 256));
        expect(event?.eventName === "AuthorizationFailed" && event.args.reason).to.equal(expected);
      });
    }

    for (const [lie, name] of [
      "nothing at all",
      "a use without a transfer",
      "another payee",
      "another value",
    ].entries()) {
      it(`leaves an item unproven whose token logs ${name}`, async () => {
        const token = await connection.viem.deployContract("LyingToken", [lie]);
        const items = await itemsFor(token.address, 2);
        const { receipt } = await f.settle(items, { token: token.address });
        expect(f.routerEvents(receipt.logs).at(-1)?.args).to.include({ attempted: 2n, failed: 0n });
        expect(outcomes(receipt, items)).to.deep.equal([{ status: "unproven" }, { status: "unproven" }]);
      });
    }

    describe("that call back", () => {
      const INNER_ID: Hex = `0x${"1b".repeat(32)}`;

      async function armed(target: Address | "itself", dataOf: (token: Address) => Hex | Promise<Hex>) {
        const token = await connection.viem.deployContract("ReentrantToken");
        await token.write.arm([target === "itself" ? token.address : target, await dataOf(token.address)]);
        const items = await itemsFor(token.address, 3);
        const { receipt } = await f.settle(items, { token: token.address, gasAllowance: 2_000_000n });
        const logs = parseEventLogs({ abi: token.abi, logs: receipt.logs });
        return { items, receipt, logs };
      }

      it("may settle a batch of another token inside an item: each batch has its own counts", async () => {
        const inner = [await f.pay(payers[0]!, payee, 5n), await f.pay(payers[1]!, payee, 6n, { validBefore: 1n })];
        const innerItems = inner.map(compact);
        const { items, receipt, logs } = await armed(f.router.address, () =>
          settleData(f.usdc.address, innerItems, { batchId: INNER_ID }),
        );
        expect(logs.filter(({ eventName }) => eventName === "Called").length).to.equal(3);
        expect(await received()).to.equal(5n);
        const batches = f.routerEvents(receipt.logs).filter(({ eventName }) => eventName === "BatchSettled");
        // The token calls back from every item; the inner payment is new only the first time.
        expect(batches.map(({ args }) => ({ ...args, caller: undefined }))).to.deep.equal([
          { caller: undefined, batchId: INNER_ID, attempted: 2n, failed: 1n },
          { caller: undefined, batchId: INNER_ID, attempted: 2n, failed: 2n },
          { caller: undefined, batchId: INNER_ID, attempted: 2n, failed: 2n },
          { caller: undefined, batchId: BATCH_ID, attempted: 3n, failed: 0n },
        ]);
        expect(outcomes(receipt, innerItems, INNER_ID).map(({ status }) => status)).to.deep.equal([
          "settled",
          "failed",
        ]);
        expect(outcomes(receipt, items).map(({ status }) => status)).to.deep.equal(Array(3).fill("unproven"));
      });

      it("may call itself through the router: the outer batch continues unchanged", async () => {
        const { logs, receipt } = await armed(f.router.address, async (token) =>
          settleData(token, await itemsFor(token, 5), { token, batchId: INNER_ID }),
        );
        const called = logs.flatMap((log) => (log.eventName === "Called" ? [log.args.inside] : []));
        expect(called.filter((inside) => !inside).length).to.equal(3);
        expect(called.filter((inside) => inside).length).to.equal(15);
        expect(f.routerEvents(receipt.logs).at(-1)?.args).to.include({ batchId: BATCH_ID, attempted: 3n, failed: 0n });
      });

      it("may call itself", async () => {
        const { receipt } = await armed("itself", () => "0x");
        expect(f.routerEvents(receipt.logs).at(-1)?.args).to.include({ attempted: 3n, failed: 0n });
      });
    });

    it("is no use as a token itself", async () => {
      const items = await itemsFor(f.router.address, 2);
      const { receipt } = await f.settle(items, { token: f.router.address });
      expect(f.routerEvents(receipt.logs).at(-1)?.args).to.include({ attempted: 2n, failed: 2n });
    });

    it("leaves items unproven on an account that delegates to an address without code", async () => {
      const token = testAccount("a token that is none");
      await f.delegate([token], testAddress("no code here either"));
      const items = await itemsFor(token.address, 1);
      const { receipt } = await f.settle(items, { token: token.address });
      expect(outcomes(receipt, items)).to.deep.equal([{ status: "unproven" }]);
    });
  });
});
