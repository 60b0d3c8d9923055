import { expect } from "chai";
import { zeroAddress } from "viem";
import { authorizationId } from "../../../src/authorization/identity.ts";
import {
  type DropReason,
  type Plan,
  type PlanInput,
  PlanLimitsError,
  type PlannablePayment,
  planBatches,
  tokenKey,
} from "../../../src/batch/index.ts";
import { CIRCLE_USDC_GAS, ROUTER_GAS } from "../../../src/gas/index.ts";
import { accountAt, CHAIN_ID, fakePayment, fakeSignature, nonceAt, TOKEN } from "../../helpers/payments.ts";

const NOW = 2_000_000_000n;
const P256_SIGNATURE = `0x${"5a".repeat(160)}` as const;

function plan(payments: readonly PlannablePayment[], given: Partial<PlanInput> = {}): Plan {
  return planBatches({
    payments,
    nowSeconds: NOW,
    routerAvailable: true,
    gasModel: { token: CIRCLE_USDC_GAS, router: ROUTER_GAS },
    ...given,
  });
}

/** `count` payments of as many payers, each with its own nonce. */
function distinct(count: number, terms: (i: number) => Partial<PlannablePayment> = () => ({})): PlannablePayment[] {
  return Array.from({ length: count }, (_, i) =>
    fakePayment({ from: accountAt(100 + i), nonce: nonceAt(i), ...terms(i) }),
  );
}

function balancesOf(entries: Record<string, bigint>): PlanInput["balances"] {
  const ofToken = new Map(Object.entries(entries).map(([account, value]) => [account.toLowerCase(), value]));
  return new Map([[tokenKey(CHAIN_ID, TOKEN), ofToken]]);
}

function reasonOf(payment: PlannablePayment, given: Partial<PlanInput> = {}): DropReason | undefined {
  const { dropped, batches } = plan([payment], given);
  expect(batches.length + dropped.length).to.equal(1);
  return dropped[0]?.reason;
}

const nonces = (planned: Plan) =>
  planned.batches.map(({ items }) => items.map(({ authorization }) => authorization.nonce));

describe("planBatches", () => {
  it("plans nothing for nothing", () => {
    expect(plan([])).to.deep.equal({ batches: [], dropped: [], deferred: [] });
  });

  it("settles one payment directly on the token, and several through the router", () => {
    const [one, two] = distinct(2);
    const single = plan([one!]).batches[0];
    expect(single).to.include({ kind: "direct", chainId: CHAIN_ID, token: TOKEN, codePayers: 0, value: 1_000n });
    expect(single?.items).to.deep.equal([{ form: "compact", authorization: one }]);
    const both = plan([one!, two!]).batches;
    expect(both.map(({ kind, items }) => [kind, items.length])).to.deep.equal([["router", 2]]);
  });

  it("settles everything directly if there is no router, by deadline", () => {
    const payments = distinct(3, (i) => ({ validBefore: NOW + 1_000n - BigInt(i) }));
    const { batches } = plan(payments, { routerAvailable: false });
    expect(batches.map(({ kind }) => kind)).to.deep.equal(["direct", "direct", "direct"]);
    expect(batches.map(({ items }) => items[0]?.authorization)).to.deep.equal([...payments].reverse());
  });

  it("keeps the payments of the input as they are", () => {
    const payment = fakePayment({ payerHasCode: false });
    expect(plan([payment]).batches[0]?.items[0]?.authorization).to.equal(payment);
  });

  describe("what can no longer succeed", () => {
    it("drops an expired payment, at equality too", () => {
      expect(reasonOf(fakePayment({ validBefore: NOW }))).to.deep.equal({ kind: "expired", validBefore: NOW });
      expect(reasonOf(fakePayment({ validBefore: NOW + 1n }))?.kind).to.equal("expires-too-soon");
    });

    it("drops a payment within the safety margin, at equality too", () => {
      const limits = { safetyMarginSeconds: 10n };
      expect(reasonOf(fakePayment({ validBefore: NOW + 10n }), { limits })).to.deep.equal({
        kind: "expires-too-soon",
        validBefore: NOW + 10n,
        earliestDeadline: NOW + 10n,
      });
      expect(reasonOf(fakePayment({ validBefore: NOW + 11n }), { limits })).to.equal(undefined);
    });

    it("drops a payment that is never valid", () => {
      const times = { validAfter: NOW + 5n, validBefore: NOW + 6n };
      expect(reasonOf(fakePayment(times))).to.deep.equal({ kind: "never-valid", ...times });
    });

    it("drops a used nonce, a zero payee, a held payer, a missing token", () => {
      const payment = fakePayment();
      const used = new Set([authorizationId(payment)]);
      expect(reasonOf(payment, { usedAuthorizations: used })).to.deep.equal({ kind: "already-used" });
      expect(reasonOf(fakePayment({ to: zeroAddress }))).to.deep.equal({ kind: "zero-payee" });
      const heldPayers = new Set([payment.from.toLowerCase()]);
      expect(reasonOf(payment, { heldPayers })).to.deep.equal({ kind: "payer-held" });
      const missingTokens = new Set([tokenKey(CHAIN_ID, TOKEN)]);
      expect(reasonOf(payment, { missingTokens })).to.deep.equal({ kind: "missing-token" });
    });

    it("drops a value below the minimum, not one at it", () => {
      const limits = { minimumValue: 1_001n };
      expect(reasonOf(fakePayment({ value: 1_000n }), { limits })).to.deep.equal({
        kind: "below-minimum",
        value: 1_000n,
        minimumValue: 1_001n,
      });
      expect(reasonOf(fakePayment({ value: 1_001n }), { limits })).to.equal(undefined);
    });
  });

  describe("deferred", () => {
    it("defers a payment until the second after validAfter", () => {
      const payment = fakePayment({ validAfter: NOW });
      expect(plan([payment]).deferred).to.deep.equal([{ payment, validFromSeconds: NOW + 1n }]);
      expect(plan([fakePayment({ validAfter: NOW - 1n })]).deferred).to.deep.equal([]);
    });

    it("gives way to a payment of the same identity that is valid now", () => {
      const later = fakePayment({ validAfter: NOW + 50n, value: 5_000n });
      const now = fakePayment();
      const planned = plan([later, now]);
      expect(planned.deferred).to.deep.equal([]);
      expect(planned.dropped).to.deep.equal([{ payment: later, reason: { kind: "variant", of: now } }]);
    });
  });

  describe("one payment per identity", () => {
    it("keeps one of two with the same terms", () => {
      const first = fakePayment();
      const second = { ...first };
      const { batches, dropped } = plan([first, second]);
      expect(batches[0]?.items).to.have.lengthOf(1);
      expect(dropped).to.deep.equal([{ payment: second, reason: { kind: "duplicate", of: first } }]);
    });

    it("sees through the case of nonces and addresses", () => {
      const first = fakePayment();
      const upper = (hex: string) => `0x${hex.slice(2).toUpperCase()}` as const;
      const second = { ...first, nonce: upper(first.nonce), from: upper(first.from), token: upper(first.token) };
      const { dropped } = plan([first, second]);
      expect(dropped.map(({ reason }) => reason.kind)).to.deep.equal(["duplicate"]);
    });

    it("keeps the largest value of several terms", () => {
      const small = fakePayment({ value: 10n });
      const large = fakePayment({ value: 30n, validBefore: small.validBefore + 1n });
      const middle = fakePayment({ value: 20n });
      const { batches, dropped } = plan([small, large, middle]);
      expect(batches[0]?.items[0]?.authorization).to.equal(large);
      expect(dropped.map(({ reason }) => reason)).to.deep.equal([
        { kind: "variant", of: large },
        { kind: "variant", of: large },
      ]);
    });

    it("takes another variant if the preferred one cannot succeed", () => {
      const expired = fakePayment({ value: 30n, validBefore: NOW });
      const valid = fakePayment({ value: 10n });
      expect(plan([expired, valid]).batches[0]?.items[0]?.authorization).to.equal(valid);
    });

    it("lets two payers, tokens or chains share a nonce", () => {
      const payments = [
        fakePayment(),
        fakePayment({ from: accountAt(9) }),
        fakePayment({ token: accountAt(8) }),
        fakePayment({ chainId: 8453 }),
      ];
      const { batches, dropped } = plan(payments);
      expect(dropped).to.deep.equal([]);
      expect(batches).to.have.lengthOf(3);
    });
  });

  describe("balances", () => {
    const payer = accountAt(1);
    const spending = (values: readonly bigint[]) =>
      values.map((value, i) => fakePayment({ value, nonce: nonceAt(i), validBefore: NOW + 1_000n + BigInt(i) }));

    it("takes a payment that uses up the balance, and none that is above it", () => {
      expect(reasonOf(fakePayment({ value: 7n }), { balances: balancesOf({ [payer]: 7n }) })).to.equal(undefined);
      expect(reasonOf(fakePayment({ value: 8n }), { balances: balancesOf({ [payer]: 7n }) })).to.deep.equal({
        kind: "underfunded",
        value: 8n,
        balance: 7n,
      });
    });

    it("spends a balance on the earliest deadlines, skipping what is too large", () => {
      const payments = spending([40n, 70n, 50n, 20n]);
      const { batches, dropped } = plan(payments, { balances: balancesOf({ [payer]: 100n }) });
      expect(batches[0]?.value).to.equal(90n);
      expect(dropped).to.deep.equal([
        { payment: payments[1], reason: { kind: "over-committed", value: 70n, balance: 100n, committed: 40n } },
        { payment: payments[3], reason: { kind: "over-committed", value: 20n, balance: 100n, committed: 90n } },
      ]);
    });

    it("spends it on larger values first if deadlines are equal", () => {
      const payments = spending([10n, 60n, 50n]).map((payment) => ({ ...payment, validBefore: NOW + 1_000n }));
      const { batches } = plan(payments, { balances: balancesOf({ [payer]: 100n }) });
      expect(batches[0]?.items.map(({ authorization }) => authorization.value).sort()).to.deep.equal([10n, 60n]);
    });

    it("does not count what a payer receives in the same plan", () => {
      const incoming = fakePayment({ from: accountAt(3), to: payer, nonce: nonceAt(7) });
      const { dropped } = plan([incoming, fakePayment()], { balances: balancesOf({ [payer]: 0n }) });
      expect(dropped.map(({ reason }) => reason.kind)).to.deep.equal(["underfunded"]);
    });

    it("keeps no balance for deferred payments and for those of other tokens", () => {
      const [now, later] = spending([60n, 60n]);
      const elsewhere = fakePayment({ token: accountAt(5), value: 60n });
      const deferred = { ...later!, validAfter: NOW + 5n };
      const planned = plan([now!, deferred, elsewhere], { balances: balancesOf({ [payer]: 60n }) });
      expect(planned.dropped).to.deep.equal([]);
      expect(planned.deferred).to.have.lengthOf(1);
      expect(planned.batches).to.have.lengthOf(2);
    });
  });

  describe("order", () => {
    it("puts near deadlines into batches strictly by deadline", () => {
      const payments = distinct(10, (i) => ({ validBefore: NOW + 500n - 10n * BigInt(i) }));
      const { batches } = plan(payments, { limits: { maxItems: 4 } });
      const deadlines = batches.map(({ items }) => items.map(({ authorization }) => authorization.validBefore - NOW));
      expect(deadlines).to.deep.equal([
        [410n, 420n, 430n, 440n],
        [450n, 460n, 470n, 480n],
        [490n, 500n],
      ]);
      expect(batches.map(({ earliestDeadline }) => earliestDeadline - NOW)).to.deep.equal([410n, 450n, 490n]);
    });

    it("groups far deadlines by payer, then by payee", () => {
      const payments = Array.from({ length: 12 }, (_, i) =>
        fakePayment({ from: accountAt(i % 3), nonce: nonceAt(i), validBefore: NOW + 100_000n + BigInt(i) }),
      );
      const { batches } = plan(payments, { limits: { maxItems: 4 } });
      for (const { items } of batches) {
        expect(new Set(items.map(({ authorization }) => authorization.from)).size).to.equal(1);
      }
      const toMany = distinct(12, (i) => ({ to: accountAt(i % 3), validBefore: NOW + 100_000n + BigInt(i) }));
      for (const { items } of plan(toMany, { limits: { maxItems: 4 } }).batches) {
        expect(new Set(items.map(({ authorization }) => authorization.to)).size).to.equal(1);
      }
    });

    it("takes near deadlines before far ones", () => {
      const far = distinct(4, () => ({ validBefore: NOW + 100_000n }));
      const near = fakePayment({ validBefore: NOW + 100n, nonce: nonceAt(77) });
      const { batches } = plan([...far, near], { limits: { maxItems: 2 } });
      expect(batches[0]?.items[0]?.authorization).to.equal(near);
    });

    it("treats deadlines within the plan's own duration as near", () => {
      const payments = distinct(30, (i) => ({ from: accountAt(i % 3), validBefore: NOW + 100_000n - BigInt(i) }));
      const limits = { maxItems: 3, urgentWithinSeconds: 0n, secondsPerBatch: 100_000n };
      const deadlines = nonces(plan(payments, { limits })).flat();
      expect(deadlines).to.deep.equal(payments.map(({ nonce }) => nonce).reverse());
    });

    it("sends batches of several tokens in the order of their deadlines", () => {
      const tokens = [accountAt(31), accountAt(32)];
      const payments = distinct(8, (i) => ({ token: tokens[i % 2]!, validBefore: NOW + 100n + BigInt(i) }));
      const { batches } = plan(payments, { limits: { maxItems: 2 } });
      expect(batches.map(({ token }) => token)).to.deep.equal([0, 1, 0, 1].map((i) => tokens[i]));
    });
  });

  describe("payers with code", () => {
    const wallets = (count: number) =>
      distinct(count, (i) => ({
        from: accountAt(500 + i),
        nonce: nonceAt(500 + i),
        payerHasCode: true,
        validBefore: NOW + 100n,
      }));

    it("go last, wide, with their own allowance", () => {
      const plain = distinct(2, () => ({ validBefore: NOW + 200n }));
      const [batch] = plan([...wallets(2), ...plain]).batches;
      expect(batch?.codePayers).to.equal(2);
      expect(batch?.items.map(({ form }) => form)).to.deep.equal(["compact", "compact", "wide", "wide"]);
      const last = batch?.items[3];
      expect(last?.form === "wide" && [last.gasAllowance, last.overload]).to.deep.equal([200_000n, "bytes"]);
    });

    it("include those with a signature that no account without code can make", () => {
      const payment = fakePayment({ signature: P256_SIGNATURE });
      expect(plan([payment]).batches[0]).to.include({ kind: "direct", codePayers: 1, gasAllowance: 200_000n });
    });

    it("never have more allowance in a batch than the ceiling, while others fill it up", () => {
      const plain = distinct(20, () => ({ validBefore: NOW + 200n }));
      const limits = { codePayerAllowance: 300_000n, codePayerAllowanceCeiling: 900_000n };
      const { batches } = plan([...wallets(7), ...plain], { limits });
      expect(batches.map(({ codePayers, items }) => [codePayers, items.length])).to.deep.equal([
        [3, 23],
        [3, 3],
        [1, 1],
      ]);
    });

    it("count with their whole allowance in the gas limit", () => {
      const limits = (codePayerAllowance: bigint) => ({ codePayerAllowance, codePayerAllowanceCeiling: 4_000_000n });
      const gasLimit = (allowance: bigint) => plan(wallets(3), { limits: limits(allowance) }).batches[0]!.gasLimit;
      // Two are spent in full before the last, which the router wants to find with a 63rd on top.
      expect(Number(gasLimit(300_000n) - gasLimit(200_000n))).to.be.closeTo(300_000 + 100_000 / 63, 20);
    });

    it("leave an interval in place of a figure", () => {
      const [batch] = plan(wallets(2), { balances: new Map() }).batches;
      const gas = batch!.predictedGas;
      if (gas.kind !== "interval") throw new Error("no interval");
      expect(gas.high).to.equal(batch!.gasLimit);
      expect(Number(gas.low)).to.be.within(120_000, 150_000);
    });

    it("settle directly if the signature is too long for the router", () => {
      const long = fakePayment({ payerHasCode: true, signature: `0x${"11".repeat(8_193)}` });
      const kinds = plan([long, ...distinct(2)]).batches.map(({ kind, items }) => [kind, items.length]);
      expect(kinds).to.deep.include(["direct", 1]).and.to.deep.include(["router", 2]);
    });
  });

  describe("limits", () => {
    it("never exceeds the gas cap of a transaction", () => {
      const { batches } = plan(distinct(1_000));
      for (const { gasLimit } of batches) expect(gasLimit <= 2n ** 24n).to.equal(true);
      expect(batches[0]?.items.length).to.be.greaterThan(330);
    });

    it("never asks for more than its share of a block", () => {
      const { batches } = plan(distinct(200), { limits: { blockGasLimit: 10_000_000n, blockShare: 0.25 } });
      for (const { gasLimit } of batches) expect(gasLimit <= 2_500_000n).to.equal(true);
    });

    it("never exceeds the calldata cap", () => {
      const { batches } = plan(distinct(100), { limits: { maxCalldataBytes: 5_000 } });
      for (const { calldataBytes } of batches) expect(calldataBytes).to.be.at.most(5_000);
      expect(batches.length).to.equal(3);
    });

    it("drops a payment that is above a cap alone", () => {
      expect(reasonOf(fakePayment(), { limits: { maxGasPerTransaction: 100_000n } })).to.deep.include({
        kind: "above-gas-cap",
        cap: 100_000n,
      });
      expect(reasonOf(fakePayment(), { limits: { maxCalldataBytes: 291 } })).to.deep.equal({
        kind: "above-calldata-cap",
        bytes: 292,
        cap: 291,
      });
    });

    it("raises an allowance that is below what the token needs", () => {
      const gasAllowance = (given: bigint) =>
        plan(distinct(2), { limits: { gasAllowance: given } }).batches[0]?.gasAllowance;
      expect(gasAllowance(60_000n)).to.equal(CIRCLE_USDC_GAS.minimumAllowance);
      expect(gasAllowance(150_000n)).to.equal(150_000n);
      expect(plan(distinct(2)).batches[0]?.gasAllowance).to.equal(100_000n);
    });

    it("refuses limits that no plan can keep", () => {
      const attempt = (limits: PlanInput["limits"]) => () => plan([], { limits });
      expect(attempt({ maxItems: 0 })).to.throw(PlanLimitsError, "maxItems is 0.");
      expect(attempt({ maxItems: 4_096 })).to.throw(PlanLimitsError, "maxItems is 4096.");
      expect(attempt({ blockShare: 0 })).to.throw(PlanLimitsError, "blockShare is 0.");
      expect(attempt({ blockShare: 1.1 })).to.throw(PlanLimitsError, "blockShare is 1.1.");
      expect(attempt({ maxGasPerTransaction: 2n ** 24n + 1n })).to.throw(PlanLimitsError, "maxGasPerTransaction is");
      expect(attempt({ codePayerAllowance: 3_000_000n })).to.throw(PlanLimitsError, "codePayerAllowance is 3000000.");
    });
  });

  it("travels wide if the terms do not fit the compact form", () => {
    const cases: [Partial<PlannablePayment>, string, string?][] = [
      [{}, "compact"],
      [{ value: 2n ** 64n - 1n }, "compact"],
      [{ value: 2n ** 64n }, "wide", "vrs"],
      [{ validBefore: 2n ** 32n - 1n }, "compact"],
      [{ validBefore: 2n ** 32n }, "wide", "vrs"],
      [{ validBefore: 2n ** 256n - 1n }, "wide", "vrs"],
      [{ payerHasCode: false, signature: P256_SIGNATURE }, "wide", "bytes"],
      [{ payerHasCode: true, signature: fakeSignature("0x01") }, "wide", "bytes"],
    ];
    for (const [terms, form, overload] of cases) {
      const item = plan([fakePayment(terms)]).batches[0]?.items[0];
      expect(item?.form).to.equal(form);
      if (item?.form === "wide") expect(item.overload).to.equal(overload);
    }
  });
});
