import { expect } from "chai";
import { network } from "hardhat";
import { type Address, encodeFunctionData, type Hex, multicall3Abi, size } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import type { RouterItem } from "../../src/router/wire.ts";
import { openGasSnapshot } from "../helpers/gas.ts";
import {
  compact,
  DEFAULT_ALLOWANCE,
  deployRouter,
  MULTICALL3,
  settleData,
  TRANSACTION_GAS_CAP,
  testAccount,
  testAccounts,
  testAddress,
  wide,
} from "../helpers/router.ts";
import { gasInto, traceCalls } from "../helpers/trace.ts";
import { authorizationArgs, split } from "../helpers/usdc.ts";

// Terms as x402 clients write them, without zero bytes: nothing here is cheaper than in real use.
const VALID_AFTER = 1_700_000_001n;
const VALID_BEFORE = 4_102_444_801n;
const [FEW, MANY] = [100, 300];

describe("gas of the router", () => {
  const snapshot = openGasSnapshot(new URL("snapshot.json", import.meta.url), 0.001);
  const payee = testAddress("gas payee");
  const payers = testAccounts(420, "gas payer");
  const burner = testAccount("gas burner");
  let f: Awaited<ReturnType<typeof deployRouter>>;
  let provider: Awaited<ReturnType<typeof network.create>>["provider"];
  let rewind: () => Promise<void>;
  /** One payment of each payer to the same payee. */
  let toOne: SignedAuthorization[];

  before(async () => {
    const { viem, networkHelpers, provider: p } = await network.create();
    provider = p;
    f = await deployRouter(viem);
    // Everyone is known to the token and keeps a balance.
    const own = payers.slice(0, MANY).map((_, i) => testAddress(`own payee ${i}`));
    await f.fund([...[...payers, burner].map(({ address }) => address), payee, ...own], 10n ** 9n);
    await f.delegate([burner], (await viem.deployContract("BurnerWallet")).address);
    toOne = await Promise.all(payers.map((payer, i) => pay(payer, payee, i)));
    const state = await networkHelpers.takeSnapshot();
    rewind = () => state.restore();
  });

  afterEach(() => rewind());

  after(() => snapshot.finish());

  /** $0.0001 to $0.05, as in micropayments. */
  function pay(payer: PrivateKeyAccount, to: Address, i: number): Promise<SignedAuthorization> {
    const value = 100n + ((BigInt(i) * 7919n) % 49_900n);
    return f.pay(payer, to, value, { label: `${i}`, validAfter: VALID_AFTER, validBefore: VALID_BEFORE });
  }

  async function measure(to: Address, data: Hex, expectedLogs: number) {
    const hash = await f.sender.sendTransaction({ to, data, gas: TRANSACTION_GAS_CAP });
    const receipt = await f.publicClient.getTransactionReceipt({ hash });
    expect(receipt.status).to.equal("success");
    expect(receipt.logs.length, "every payment went through").to.equal(expectedLogs);
    const token = gasInto(await traceCalls(provider, hash), f.usdc.address);
    await rewind();
    return { total: Number(receipt.gasUsed), token: Number(token), bytes: size(data) };
  }

  /** Slopes between two sizes of a batch: the cost of one payment, without the transaction's fixed cost. */
  async function slopes(to: Address, dataOf: (count: number) => Hex, extraLogs: number) {
    const few = await measure(to, dataOf(FEW), 2 * FEW + extraLogs);
    const many = await measure(to, dataOf(MANY), 2 * MANY + extraLogs);
    const slope = (key: "total" | "token" | "bytes") => (many[key] - few[key]) / (MANY - FEW);
    return {
      gasPerPayment: slope("total"),
      shareOfRouter: slope("total") - slope("token"),
      calldataBytes: slope("bytes"),
    };
  }

  const batches = (items: readonly RouterItem[]) => (count: number) =>
    settleData(f.usdc.address, items.slice(0, count));

  it("takes at most 2,550 gas and 136 bytes per compact payment, N payers to one payee", async () => {
    const figures = await slopes(f.router.address, batches(toOne.map(compact)), 1);
    expect(figures.shareOfRouter).to.be.at.most(2550);
    expect(figures.calldataBytes).to.be.at.most(136);
    snapshot.check("compact, N payers to 1 payee", figures);
  });

  it("takes at most 156 bytes per compact payment, N payers to N payees", async () => {
    const own = await Promise.all(
      payers.slice(0, MANY).map((payer, i) => pay(payer, testAddress(`own payee ${i}`), i)),
    );
    const figures = await slopes(f.router.address, batches(own.map(compact)), 1);
    expect(figures.calldataBytes).to.be.at.most(156);
    snapshot.check("compact, N payers to N payees", figures);
  });

  it("is cheapest for one payer and one payee", async () => {
    const same = await Promise.all(payers.slice(0, MANY).map((_, i) => pay(payers[0]!, payee, i)));
    const figures = await slopes(f.router.address, batches(same.map(compact)), 1);
    snapshot.check("compact, 1 payer to 1 payee", figures);
  });

  it("carries wide items", async () => {
    for (const overload of ["vrs", "bytes"] as const) {
      const items = toOne.map((authorization) => wide(authorization, overload));
      snapshot.check(`wide, ${overload} overload`, await slopes(f.router.address, batches(items), 1));
    }
  });

  it("takes less than half of what Multicall3 takes", async () => {
    const dataOf = (count: number) =>
      encodeFunctionData({
        abi: multicall3Abi,
        functionName: "aggregate3",
        args: [toOne.slice(0, count).map((a) => ({ target: f.usdc.address, allowFailure: true, callData: direct(a) }))],
      });
    const figures = await slopes(MULTICALL3, dataOf, 0);
    const ours = await slopes(f.router.address, batches(toOne.map(compact)), 1);
    expect(ours.shareOfRouter).to.be.below(figures.shareOfRouter / 2);
    snapshot.check("Multicall3, N payers to 1 payee", figures);
  });

  function direct(authorization: SignedAuthorization): Hex {
    const { v, r, s } = split(authorization.signature);
    return encodeFunctionData({
      abi: f.usdc.abi,
      functionName: "transferWithAuthorization",
      args: [...authorizationArgs(authorization), v, r, s],
    });
  }

  it("costs some gas more than the token alone for a single payment", async () => {
    const lone = await measure(f.usdc.address, direct(toOne[0]!), 2);
    const one = await measure(f.router.address, settleData(f.usdc.address, [compact(toOne[0]!)]), 3);
    snapshot.check("a single payment", { gasThroughRouter: one.total, gasOnToken: lone.total });
  });

  it("settles at least 340 payments of distinct payers in one transaction", async () => {
    const items = toOne.map(compact);
    // The last item needs its whole allowance to be left, so the stop rule is part of the figure.
    const settlesAll = async (count: number) => (await f.preflight(items.slice(0, count))).attempted === BigInt(count);
    let [most, tooMany] = [1, items.length];
    expect(await settlesAll(tooMany)).to.equal(false);
    while (tooMany - most > 1) {
      const middle = (most + tooMany) >> 1;
      if (await settlesAll(middle)) most = middle;
      else tooMany = middle;
    }
    const { receipt } = await f.settle(items.slice(0, most), { gas: TRANSACTION_GAS_CAP });
    expect(receipt.logs.length).to.equal(2 * most + 1);
    expect(most).to.be.at.least(340);
    snapshot.check("one transaction of 2^24 gas", { payments: most });
  });

  it("loses its allowance to a payer that burns all gas, and nothing more", async () => {
    const bad = await pay(burner, payee, 0);
    const neighbours = toOne.slice(0, 10).map(compact);
    const without = await f.settle(neighbours);
    await rewind();

    const overheads: Record<string, number> = {};
    for (const allowance of [DEFAULT_ALLOWANCE, 1_000_000n]) {
      const items = [...neighbours.slice(0, 5), wide(bad, "vrs", allowance), ...neighbours.slice(5)];
      const { receipt } = await f.settle(items);
      expect(receipt.logs.length, "ten payments, one failure and the batch").to.equal(2 * 10 + 2);
      const overhead = Number(receipt.gasUsed - without.receipt.gasUsed - allowance);
      // Calldata, call and failure event. The token has a 64th left to report it with, so it can be below zero too.
      expect(overhead).to.be.at.most(9000);
      overheads[`overheadWith${allowance}`] = overhead;
      await rewind();
    }
    snapshot.check("a payer that burns all gas", overheads);
  });
});
