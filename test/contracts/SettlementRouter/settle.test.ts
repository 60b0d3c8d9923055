import { expect } from "chai";
import { network } from "hardhat";
import { getAddress, type Hex, zeroHash } from "viem";
import type { SignedAuthorization } from "../../../src/authorization/types.ts";
import type { RouterItem } from "../../../src/router/wire.ts";
import {
  BATCH_ID,
  compact,
  deployRouter,
  failedIndices,
  readRevert,
  settleArgs,
  testAccount,
  testAccounts,
  testAddress,
  wide,
} from "../../helpers/router.ts";
import { FAR_FUTURE } from "../../helpers/usdc.ts";

const MAX_U256 = 2n ** 256n - 1n;

describe("SettlementRouter.settle", () => {
  const payers = testAccounts(17, "settle payer");
  const payees = [testAddress("first payee"), testAddress("second payee")] as const;
  const START = 1_000_000n;

  async function fixture() {
    const f = await deployRouter(viem);
    await f.fund(
      payers.map(({ address }) => address),
      START,
    );
    return f;
  }

  let viem: Awaited<ReturnType<typeof network.create>>["viem"];
  let networkHelpers: Awaited<ReturnType<typeof network.create>>["networkHelpers"];
  let f: Awaited<ReturnType<typeof fixture>>;

  before(async () => {
    ({ viem, networkHelpers } = await network.create());
  });

  beforeEach(async () => {
    f = await networkHelpers.loadFixture(fixture);
  });

  const balance = (of: Hex) => f.usdc.read.balanceOf([of]);

  async function expectSettled(items: readonly RouterItem[], gasAllowance?: bigint) {
    const options = gasAllowance === undefined ? {} : { gasAllowance };
    const { failures, attempted } = await f.preflight(items, options);
    const { receipt } = await f.settle(items, options);
    expect(failedIndices(failures, attempted)).to.deep.equal([]);
    const caller = getAddress(f.sender.account.address);
    const only = { caller, batchId: BATCH_ID, attempted: BigInt(items.length), failed: 0n };
    expect(f.routerEvents(receipt.logs).map(({ args }) => args)).to.deep.equal([only]);
    return receipt;
  }

  describe("compact items", () => {
    it("settles payments of many payers to many payees to the unit", async () => {
      const items = await Promise.all(
        payers.map((payer, i) => f.pay(payer, payees[i % 2]!, BigInt(1000 + i)).then(compact)),
      );
      const receipt = await expectSettled(items);

      let [first, second] = [0n, 0n];
      for (const [i, payer] of payers.entries()) {
        const value = BigInt(1000 + i);
        expect(await balance(payer.address)).to.equal(START - value);
        if (i % 2 === 0) first += value;
        else second += value;
      }
      expect(await balance(payees[0])).to.equal(first);
      expect(await balance(payees[1])).to.equal(second);
      expect(await balance(f.router.address)).to.equal(0n);
      expect(receipt.logs.length).to.equal(2 * payers.length + 1);
    });

    it("settles signatures of both parities", async () => {
      const signed: SignedAuthorization[] = [];
      for (let i = 0; new Set(signed.map(({ signature }) => signature.slice(-2))).size < 2; i += 1) {
        signed.push(await f.pay(payers[0]!, payees[0], 1n, { label: `parity ${i}` }));
      }
      await expectSettled(signed.map(compact));
      expect(await balance(payees[0])).to.equal(BigInt(signed.length));
    });

    it("settles several payments of one payer", async () => {
      const items = await Promise.all([1n, 2n, 4n].map((v) => f.pay(payers[0]!, payees[0], v, { label: `${v}` })));
      await expectSettled(items.map(compact));
      expect(await balance(payees[0])).to.equal(7n);
    });

    it("settles a value of zero and the largest terms that fit", async () => {
      const most = 2n ** 64n - 1n;
      await f.fund([payers[0]!.address], most);
      const items = await Promise.all([
        f.pay(payers[0]!, payees[0], most, { validBefore: 2n ** 32n - 1n }),
        f.pay(payers[1]!, payees[1], 0n),
      ]);
      await expectSettled(items.map(compact));
      expect(await balance(payees[0])).to.equal(most);
    });
  });

  describe("wide items", () => {
    for (const overload of ["vrs", "bytes"] as const) {
      it(`settles a value from 2^64 on through the ${overload} overload`, async () => {
        await f.fund([payers[0]!.address], 2n ** 64n);
        await expectSettled([wide(await f.pay(payers[0]!, payees[0], 2n ** 64n), overload)]);
        expect(await balance(payees[0])).to.equal(2n ** 64n);
      });

      it(`settles a validBefore of 2^256-1 through the ${overload} overload`, async () => {
        await expectSettled([wide(await f.pay(payers[0]!, payees[0], 5n, { validBefore: MAX_U256 }), overload)]);
        expect(await balance(payees[0])).to.equal(5n);
      });
    }

    it("settles a payer that is a contract (ERC-1271)", async () => {
      const owner = testAccount("wallet owner");
      const wallet = await viem.deployContract("OwnerWallet", [owner.address]);
      await f.fund([wallet.address], START);
      // The owner signs terms that name the wallet.
      const authorization = await f.pay(owner, payees[0], 7n, { from: wallet.address });
      await expectSettled([wide(authorization, "bytes"), compact(await f.pay(payers[0]!, payees[0], 1n))]);
      expect(await balance(wallet.address)).to.equal(START - 7n);
    });

    it("hands a signature of 8,192 bytes to the payer unchanged", async () => {
      const wallet = await viem.deployContract("HashWallet");
      await f.fund([wallet.address], START);
      for (const [i, length] of [0, 1, 31, 32, 33, 64, 65, 8191, 8192].entries()) {
        const signature: Hex = `0x${"a7".repeat(length)}`;
        await wallet.write.expect([signature]);
        const terms = await f.pay(payers[0]!, payees[0], 1n, { from: wallet.address, label: `${i}` });
        await expectSettled([wide({ ...terms, signature }, "bytes", 300_000n)]);
        expect(await balance(payees[0])).to.equal(BigInt(i + 1));
      }
    });

    it("settles a payer that delegates to code (EIP-7702), in both overloads and in the compact form", async () => {
      const code = await viem.deployContract("DelegateWallet");
      const delegating = payers.slice(0, 3);
      await f.delegate(delegating, code.address);
      const [a, b, c] = await Promise.all(delegating.map((payer) => f.pay(payer, payees[0], 3n)));
      await expectSettled([wide(a!, "vrs"), wide(b!, "bytes"), compact(c!)]);
      expect(await balance(payees[0])).to.equal(9n);
    });

    it("settles wide and compact items in any order", async () => {
      const signed = await Promise.all(payers.slice(0, 8).map((payer, i) => f.pay(payer, payees[i % 2]!, BigInt(i))));
      const items = signed.map((a, i) => (i % 3 === 0 ? wide(a, i % 2 === 0 ? "vrs" : "bytes") : compact(a)));
      await expectSettled(items);
      expect((await balance(payees[0])) + (await balance(payees[1]))).to.equal(28n);
    });

    it("gives each wide item its own allowance, whatever the batch's is", async () => {
      const [a, b] = await Promise.all([f.pay(payers[0]!, payees[0], 1n), f.pay(payers[1]!, payees[0], 1n)]);
      await expectSettled([wide(a, "vrs", 100_000n), wide(b, "bytes", 100_000n)], 0n);
    });
  });

  describe("the bitmap", () => {
    for (const count of [1, 7, 8, 9, 16, 17]) {
      it(`for ${count} items is ${Math.ceil(count / 8)} byte(s) long and has the bits of those that failed`, async () => {
        const bad = new Set([0, 7, 8, 15, 16].filter((i) => i < count));
        const items = await Promise.all(
          payers
            .slice(0, count)
            .map((payer, i) => f.pay(payer, payees[0], 10n, bad.has(i) ? { validBefore: 1n } : {}).then(compact)),
        );
        const { attempted, failures } = await f.preflight(items);
        const { receipt } = await f.settle(items);
        const events = f.routerEvents(receipt.logs);

        expect(attempted).to.equal(BigInt(count));
        expect(failures.length).to.equal(2 + 2 * Math.ceil(count / 8));
        expect(failedIndices(failures, attempted)).to.deep.equal([...bad]);
        const failed = events.flatMap((e) => (e.eventName === "AuthorizationFailed" ? [Number(e.args.index)] : []));
        expect(failed).to.deep.equal([...bad]);
        const states = await Promise.all(
          items.map(({ authorization: a }) => f.usdc.read.authorizationState([a.from, a.nonce])),
        );
        expect(states).to.deep.equal(items.map((_, i) => !bad.has(i)));
        expect(await balance(payees[0])).to.equal(10n * BigInt(count - bad.size));
      });
    }

    it("has no bit set after the last item", async () => {
      const items = await Promise.all(
        payers.slice(0, 3).map((payer) => f.pay(payer, payees[0], 1n, { validBefore: 1n }).then(compact)),
      );
      expect((await f.preflight(items)).failures).to.equal("0x07");
    });
  });

  describe("BatchSettled", () => {
    it("names the caller, the label and both counts, and comes last", async () => {
      const good = await f.pay(payers[0]!, payees[0], 1n);
      const expired = await f.pay(payers[1]!, payees[0], 1n, { validBefore: 1n });
      const { receipt } = await f.settle([compact(expired), compact(good)], { batchId: zeroHash });
      const last = f.routerEvents(receipt.logs.slice(-1))[0];
      expect(last?.eventName).to.equal("BatchSettled");
      expect(last?.args).to.deep.equal({
        caller: getAddress(f.sender.account.address),
        batchId: zeroHash,
        attempted: 2n,
        failed: 1n,
      });
    });

    it("may carry the label of an earlier batch", async () => {
      for (const label of ["a", "b"]) {
        await expectSettled([compact(await f.pay(payers[0]!, payees[0], 1n, { label }))]);
      }
    });
  });

  describe("the stop rule", () => {
    it("stops before the first item that it cannot fund and leaves the rest untouched", async () => {
      const signed = await Promise.all(payers.slice(0, 10).map((payer) => f.pay(payer, payees[0], 1n)));
      const items = signed.map(compact);
      const gas = 500_000n;
      const { attempted, failures } = await f.preflight(items, { gas });
      const { receipt } = await f.settle(items, { gas });

      expect(attempted > 0n && attempted < 10n).to.equal(true);
      expect(failures).to.equal("0x00");
      expect(receipt.status).to.equal("success");
      expect(f.routerEvents(receipt.logs).at(-1)?.args).to.include({ attempted, failed: 0n });
      const states = await Promise.all(signed.map((a) => f.usdc.read.authorizationState([a.from, a.nonce])));
      expect(states).to.deep.equal(signed.map((_, i) => i < Number(attempted)));

      // The items that were not attempted can be sent again unchanged.
      await expectSettled(items.slice(Number(attempted)));
      expect(await balance(payees[0])).to.equal(10n);
    });

    it("attempts nothing when even the first item cannot be funded", async () => {
      const items = [compact(await f.pay(payers[0]!, payees[0], 1n))];
      for (const item of [...items, wide(items[0]!.authorization, "bytes", 100_000n)]) {
        const { attempted, failures } = await f.preflight([item], { gas: 120_000n });
        expect({ attempted, failures }).to.deep.equal({ attempted: 0n, failures: "0x" });
        const { receipt } = await f.settle([item], { gas: 120_000n });
        expect(receipt.logs.length).to.equal(1);
      }
    });

    it("stops at a wide item whose own allowance is beyond the gas that is left", async () => {
      const [a, b, c] = await Promise.all(payers.slice(0, 3).map((payer) => f.pay(payer, payees[0], 1n)));
      const items = [compact(a!), wide(b!, "bytes", 0xffff_ffffn), compact(c!)];
      expect((await f.preflight(items)).attempted).to.equal(1n);
    });

    it("reverts when the allowance is so large that the gas it needs overflows", async () => {
      const items = [compact(await f.pay(payers[0]!, payees[0], 1n))];
      const { attempted } = await f.preflight(items, { gasAllowance: 2n ** 255n });
      expect(attempted).to.equal(0n);
      const revert = await readRevert(f.preflight(items, { gasAllowance: MAX_U256 }));
      expect(revert).to.deep.equal({ name: "Panic", args: [0x11n] });
    });
  });

  it("may be called by anyone", async () => {
    const items = [compact(await f.pay(payers[0]!, payees[0], 1n))];
    const answer = await f.call(settleArgs(f.usdc.address, items), 1_000_000n, testAddress("nobody in particular"));
    expect(answer).to.deep.equal({ attempted: 1n, failures: "0x00" });
  });

  it("takes no ether and has no other function", async () => {
    for (const call of [{ value: 1n }, { data: "0x12345678" }, {}] as const) {
      const outcome = await f.publicClient.call({ to: f.router.address, ...call }).then(
        () => "done",
        () => "reverted",
      );
      expect(outcome).to.equal("reverted");
    }
    const functions = f.router.abi.filter((entry) => entry.type === "function").map(({ name }) => name);
    expect(functions).to.deep.equal(["settle"]);
  });

  it("settles until the last second", async () => {
    const now = BigInt(await networkHelpers.time.latest());
    const [a, b] = await Promise.all([
      f.pay(payers[0]!, payees[0], 1n, { validAfter: now, validBefore: now + 2n }),
      f.pay(payers[1]!, payees[0], 1n, { validAfter: 0n, validBefore: FAR_FUTURE }),
    ]);
    await networkHelpers.time.setNextBlockTimestamp(now + 1n);
    const { receipt } = await f.settle([compact(a), compact(b)]);
    expect(f.routerEvents(receipt.logs).at(-1)?.args).to.include({ attempted: 2n, failed: 0n });
  });
});
