import { expect } from "chai";
import fc from "fast-check";
import { CANONICAL_CHANNEL_GAS, claimGas } from "../../../../src/gas/index.ts";
import type { ChannelRow } from "../../../../src/journal/index.ts";
import { unclaimedOf } from "../../../../src/keeper/channels/rows.ts";
import { type ClaimReason, chooseClaims, chooseSweeps } from "../../../../src/keeper/due/choose.ts";
import {
  DEFAULT_KEEPER_POLICY,
  type KeeperPolicy,
  KeeperPolicyError,
  resolveKeeperPolicy,
} from "../../../../src/keeper/due/policy.ts";
import { costOf, FREE_DATA } from "../../../../src/keeper/due/prices.ts";
import { networks } from "../../../../src/networks.ts";
import { idOf, payee, recordOf } from "../../../helpers/channelRecords.ts";

const { chainId, usdc } = networks.baseSepolia;
const NOW = 1_000_000_000;

function row(seed: number, charged: bigint, change: Partial<ChannelRow> = {}): ChannelRow {
  return {
    channelId: idOf(seed),
    chainId,
    record: recordOf(seed, charged),
    claimed: 0n,
    earning: { day: 0, base: 0n },
    withdrawal: undefined,
    fault: undefined,
    isDeleted: false,
    unclaimedSinceMs: NOW - 1_000,
    version: 1,
    ...change,
  };
}

// 0.1 gwei and 3,000 USD: a thousand gas cost 300 millionths of a dollar.
function prices(policy: Partial<KeeperPolicy> = {}) {
  return { nowMs: NOW, gasPriceWei: 100_000_000n, data: FREE_DATA, policy: { ...DEFAULT_KEEPER_POLICY, ...policy } };
}
const claimCost = (rows: number) => costOf(claimGas(CANONICAL_CHANNEL_GAS, rows), prices());
const withdrawal = { amount: 1n, initiatedAt: 1, finalizeAfter: 901 };
const reasonOf = (rows: readonly ChannelRow[], policy: Partial<KeeperPolicy> = {}): ClaimReason | undefined =>
  chooseClaims(rows, prices(policy))?.reason;

describe("costOf", () => {
  it("is gas by price by the price of ether, rounded up", () => {
    expect(costOf(1_000n, prices())).to.equal(300n);
    expect(costOf(1n, { ...prices(), gasPriceWei: 1n })).to.equal(1n);
    expect(costOf(0n, prices())).to.equal(0n);
  });
});

describe("chooseClaims", () => {
  it("claims for its value as soon as the cost is the share that the policy allows", () => {
    const enough = claimCost(1) * 100n;
    expect(reasonOf([row(1, enough - 1n)])).to.equal(undefined);
    expect(reasonOf([row(1, enough)])).to.equal("value");
    expect(reasonOf([row(1, enough)], { maxCostPermille: 9n })).to.equal(undefined);
  });

  it("claims what is old, a payer's large debt and many channels as soon as that pays", () => {
    const paying = claimCost(1) + 1n;
    expect(reasonOf([row(1, paying)], { maxAgeMs: 1_000 })).to.equal("age");
    expect(reasonOf([row(1, paying)], { maxAgeMs: 1_001 })).to.equal(undefined);
    expect(reasonOf([row(1, paying - 1n)], { maxAgeMs: 0 })).to.equal(undefined);
    expect(reasonOf([row(1, paying)], { maxUnclaimedPerPayer: paying - 1n })).to.equal("payer's debt");
    expect(reasonOf([row(1, paying)], { maxUnclaimedPerPayer: paying })).to.equal(undefined);
    expect(reasonOf([row(1, paying), row(2, paying)], { maxChannels: 2 })).to.equal("channels");
  });

  it("claims what is being withdrawn if that does not cost more than it brings, with every channel worth its row", () => {
    const dust = row(1, 1n);
    const urgent = row(2, claimCost(1) + 1n, { withdrawal });
    const worth = row(3, costOf(BigInt(CANONICAL_CHANNEL_GAS.claimRowGas), prices()) + 1n);
    expect(chooseClaims([dust, urgent, worth], prices())).to.deep.equal({
      rows: [urgent, worth],
      reason: "withdrawal",
    });
    expect(reasonOf([row(2, claimCost(1), { withdrawal })])).to.equal(undefined);
    expect(chooseClaims([row(4, 5n, { withdrawal, claimed: 5n })], prices())).to.equal(undefined);
  });

  it("spends the policy's gas floor, and no more, on what is being withdrawn, however little that is", () => {
    const urgent = [1, 2, 3].map((seed) => row(seed, BigInt(seed), { withdrawal }));
    const two = claimGas(CANONICAL_CHANNEL_GAS, 2);
    expect(chooseClaims(urgent, prices({ gasFloor: two }))).to.deep.equal({
      rows: [urgent[2], urgent[1]],
      reason: "withdrawal",
    });
    expect(chooseClaims(urgent, prices({ gasFloor: two - 1n }))?.rows).to.deep.equal([urgent[2]]);
    expect(reasonOf(urgent)).to.equal(undefined);
    // If ether has no price, everything that is being withdrawn is claimed.
    expect(reasonOf(urgent, { etherMicroUsd: 0n })).to.equal("withdrawal");
  });

  it("stops claiming a channel when claims that failed have cost what it holds", () => {
    const held = 2n * claimCost(1);
    const failed = (gas: bigint) => ({ fault: { reason: "x", charged: 0n, atMs: 0, gas }, withdrawal });
    expect(reasonOf([row(1, held, failed(10_000n))])).to.equal("withdrawal");
    expect(reasonOf([row(1, held, failed(claimGas(CANONICAL_CHANNEL_GAS, 1)))])).to.equal(undefined);
    expect(reasonOf([row(1, held, failed(10n ** 9n))], { gasFloor: 10n ** 9n })).to.equal(undefined);
  });

  it("counts the cost of data, for the claim and for each row", () => {
    const data = { claimWei: 10n ** 12n, rowWei: 10n ** 12n, sweepWei: 10n ** 12n };
    const dear = { ...prices({ maxCostPermille: 1_000n }), data };
    const unit = costOf(0n, prices(), 10n ** 12n);
    expect(unit).to.equal(3_000n);
    const enough = costOf(claimGas(CANONICAL_CHANNEL_GAS, 1), prices(), 2n * 10n ** 12n);
    expect(enough).to.equal(claimCost(1) + 2n * unit);
    expect(chooseClaims([row(1, enough - 1n)], dear)).to.equal(undefined);
    expect(chooseClaims([row(1, enough)], dear)?.reason).to.equal("value");
    expect(chooseClaims([row(1, enough + 1n, { withdrawal })], dear)?.reason).to.equal("withdrawal");
    expect(chooseClaims([row(1, enough, { withdrawal })], dear)).to.equal(undefined);
    const receiver = { chainId, receiver: payee, token: usdc.address, unsweptSinceMs: NOW };
    const sweep = costOf(BigInt(CANONICAL_CHANNEL_GAS.sweepGas), prices()) + unit;
    expect(chooseSweeps([{ ...receiver, unswept: sweep - 1n }], [], dear)).to.deep.equal([]);
    expect(chooseSweeps([{ ...receiver, unswept: sweep }], [], dear)).to.have.length(1);
  });

  it("holds back what failed, for a while or until there is a new voucher", () => {
    const fault = { reason: "x", charged: 10n ** 9n, atMs: NOW - 20_000 };
    expect(reasonOf([row(1, 10n ** 9n)])).to.equal("value");
    expect(reasonOf([row(1, 10n ** 9n, { fault })])).to.equal(undefined);
    expect(reasonOf([row(1, 10n ** 9n + 1n, { fault })])).to.equal("value");
    expect(reasonOf([row(1, 10n ** 9n, { fault })], { retryMs: 20_000 })).to.equal("value");
    expect(reasonOf([row(1, 10n ** 9n, { fault, withdrawal })])).to.equal("withdrawal");
    expect(reasonOf([row(1, 10n ** 9n, { fault, withdrawal })], { urgentRetryMs: 20_001 })).to.equal(undefined);
  });

  it("never claims at a loss, not even during a withdrawal, never twice, and nothing that is claimed", () => {
    const rows = fc.array(
      fc.record({ charged: fc.bigInt(0n, 10n ** 6n), claimed: fc.bigInt(0n, 10n ** 6n), urgent: fc.boolean() }),
      {
        maxLength: 8,
      },
    );
    const policy = fc.record({
      maxAgeMs: fc.constantFrom(0, 1_000, 86_400_000),
      maxChannels: fc.constantFrom(1, 3, 1_000),
      maxCostPermille: fc.constantFrom(1n, 10n, 1_000n),
    });
    fc.assert(
      fc.property(rows, policy, (list, change) => {
        const all = list.map(({ charged, claimed, urgent }, seed) =>
          row(seed, charged, { claimed, withdrawal: urgent ? withdrawal : undefined }),
        );
        const choice = chooseClaims(all, prices(change));
        if (choice === undefined) return;
        const value = choice.rows.reduce((total, one) => total + unclaimedOf(one), 0n);
        expect(value >= claimCost(choice.rows.length)).to.equal(true);
        expect(new Set(choice.rows).size).to.equal(choice.rows.length);
        for (const one of choice.rows) expect(unclaimedOf(one) > 0n).to.equal(true);
      }),
    );
  });
});

describe("chooseSweeps", () => {
  const receiver = { chainId, receiver: payee, token: usdc.address, unswept: 0n, unsweptSinceMs: NOW - 1_000 };
  const cost = costOf(BigInt(CANONICAL_CHANNEL_GAS.sweepGas), prices());

  it("sweeps for its value, including what is being claimed at the same moment", () => {
    const half = cost * 50n;
    expect(chooseSweeps([{ ...receiver, unswept: half }], [], prices())).to.deep.equal([]);
    const both = chooseSweeps([{ ...receiver, unswept: half }], [row(1, half)], prices());
    expect(both).to.deep.equal([{ receiver: payee, token: usdc.address, amount: 2n * half }]);
  });

  it("sweeps what waited too long, if that pays", () => {
    const paying = { ...receiver, unswept: cost + 1n };
    expect(chooseSweeps([paying], [], prices({ maxSweepAgeMs: 1_000 }))).to.have.length(1);
    expect(chooseSweeps([paying], [], prices({ maxSweepAgeMs: 1_001 }))).to.deep.equal([]);
    expect(chooseSweeps([{ ...paying, unswept: cost }], [], prices({ maxSweepAgeMs: 0 }))).to.deep.equal([]);
  });

  it("sweeps nothing if there is nothing", () => {
    expect(chooseSweeps([receiver], [], prices({ etherMicroUsd: 0n }))).to.deep.equal([]);
  });
});

describe("resolveKeeperPolicy", () => {
  it("refuses values that no keeper can use", () => {
    for (const bad of [
      { maxRows: 0 },
      { maxRows: 251 },
      { auditMs: 300_001 },
      { callTimeoutMs: 1 },
      { maxCostPermille: 0n },
    ]) {
      expect(() => resolveKeeperPolicy(bad), Object.keys(bad)[0]).to.throw(KeeperPolicyError);
    }
    expect(resolveKeeperPolicy()).to.deep.equal(DEFAULT_KEEPER_POLICY);
  });
});
