import { expect } from "chai";
import fc from "fast-check";
import type { Hex } from "viem";
import { authorizationId } from "../../../src/authorization/identity.ts";
import { type Plan, type PlanInput, type PlannablePayment, planBatches, tokenKey } from "../../../src/batch/index.ts";
import { countBytes, MOCK_USDC_GAS, ROUTER_GAS } from "../../../src/gas/index.ts";
import { encodeSettle } from "../../../src/router/index.ts";
import { accountAt, CHAIN_ID, fakePayment, fakeSignature, nonceAt, TOKEN } from "../../helpers/payments.ts";

const NOW = 2_000_000_000n;
const TOKENS = [TOKEN, accountAt(900)];
const gasModel = { token: MOCK_USDC_GAS, router: ROUTER_GAS };

const time = fc.oneof(
  { weight: 4, arbitrary: fc.bigInt({ min: NOW - 20n, max: NOW + 1_500n }) },
  { weight: 1, arbitrary: fc.constantFrom(0n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 256n - 1n) },
);

const payment: fc.Arbitrary<PlannablePayment> = fc
  .record({
    chainId: fc.constantFrom(CHAIN_ID, 8453),
    token: fc.constantFrom(...TOKENS),
    from: fc.integer({ min: 0, max: 6 }).map(accountAt),
    to: fc.integer({ min: 4, max: 12 }).map(accountAt),
    value: fc.oneof(fc.bigInt({ min: 0n, max: 60n }), fc.constant(2n ** 64n)),
    validAfter: fc.oneof({ weight: 5, arbitrary: fc.constant(0n) }, { weight: 1, arbitrary: time }),
    validBefore: time,
    nonce: fc.integer({ min: 0, max: 40 }).map(nonceAt),
    payerHasCode: fc.constantFrom(undefined, false, false, true),
  })
  .map((terms) => fakePayment({ ...terms, signature: fakeSignature(terms.nonce) }));

const balances = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 12 }), fc.bigInt({ min: 0n, max: 300n })), { maxLength: 12 })
  .map((entries) => new Map(entries.map(([index, value]) => [accountAt(index).toLowerCase(), value])));

const input: fc.Arbitrary<PlanInput> = fc
  .record({
    payments: fc.array(payment, { maxLength: 120 }),
    balances: fc.option(balances, { nil: undefined }),
    routerAvailable: fc.boolean(),
    maxItems: fc.integer({ min: 1, max: 60 }),
    maxGasPerTransaction: fc.bigInt({ min: 400_000n, max: 2n ** 24n }),
    codePayerAllowanceCeiling: fc.bigInt({ min: 200_000n, max: 900_000n }),
    urgentWithinSeconds: fc.constantFrom(0n, 300n, 5_000n),
  })
  .map(({ payments, balances: ofToken, routerAvailable, ...limits }) => ({
    payments,
    nowSeconds: NOW,
    routerAvailable,
    gasModel,
    balances: ofToken && new Map(TOKENS.map((token) => [tokenKey(CHAIN_ID, token), ofToken])),
    limits: { ...limits, secondsPerBatch: 1n },
  }));

const authorizations = ({ batches }: Plan) => batches.map(({ items }) => items.map((item) => item.authorization));

function holds(check: (given: PlanInput, plan: Plan) => void): void {
  fc.assert(
    fc.property(input, (given) => check(given, planBatches(given))),
    { numRuns: 150, seed: 42 },
  );
}

describe("planBatches, properties", () => {
  it("puts each payment into exactly one batch, or drops it, or defers it", () => {
    holds(({ payments }, plan) => {
      const placed = [
        ...authorizations(plan).flat(),
        ...plan.dropped.map((one) => one.payment),
        ...plan.deferred.map((one) => one.payment),
      ];
      expect(placed).to.have.lengthOf(payments.length);
      const objects = new Set<unknown>(placed);
      for (const one of payments) expect(objects.has(one)).to.equal(true);
    });
  });

  it("never has one identity twice", () => {
    holds((_, plan) => {
      const ids = authorizations(plan).flat().map(authorizationId);
      expect(new Set(ids).size).to.equal(ids.length);
    });
  });

  it("never exceeds a cap", () => {
    holds(({ limits = {} }, { batches }) => {
      for (const { gasLimit, items, codePayers } of batches) {
        expect(gasLimit <= limits.maxGasPerTransaction!).to.equal(true);
        expect(items.length).to.be.at.most(limits.maxItems!);
        expect(BigInt(codePayers) * 200_000n <= limits.codePayerAllowanceCeiling!).to.equal(true);
      }
    });
  });

  it("promises no payer's balance twice", () => {
    holds(({ balances: given }, plan) => {
      const spent = new Map<string, bigint>();
      for (const { chainId, token, from, value } of authorizations(plan).flat()) {
        const key = `${tokenKey(chainId, token)}:${from.toLowerCase()}`;
        spent.set(key, (spent.get(key) ?? 0n) + value);
      }
      for (const [token, ofToken] of given ?? []) {
        for (const [account, balance] of ofToken) {
          expect((spent.get(`${token}:${account}`) ?? 0n) <= balance).to.equal(true);
        }
      }
    });
  });

  it("has one chain and token in a batch, one item in a direct one, payers with code last", () => {
    holds(({ routerAvailable }, { batches }) => {
      for (const { kind, chainId, token, items, codePayers } of batches) {
        expect(kind).to.equal(routerAvailable && items.length > 1 ? "router" : "direct");
        if (kind === "direct") expect(items).to.have.lengthOf(1);
        for (const [at, { authorization }] of items.entries()) {
          expect([authorization.chainId, authorization.token]).to.deep.equal([chainId, token]);
          const { payerHasCode } = authorization as PlannablePayment;
          expect(payerHasCode === true).to.equal(at >= items.length - codePayers);
        }
      }
    });
  });

  it("orders batches by deadline, and near deadlines strictly for payers without code", () => {
    holds(({ limits = {}, routerAvailable, payments }, plan) => {
      const firsts = plan.batches.map(({ earliestDeadline }) => earliestDeadline);
      for (const [at, deadline] of firsts.entries()) if (at > 0) expect(deadline >= firsts[at - 1]!).to.equal(true);

      // None of these plans takes longer than one second for each payment.
      const near = NOW + limits.urgentWithinSeconds!;
      const last = new Map<string, bigint>();
      for (const { chainId, token, items } of plan.batches) {
        const key = tokenKey(chainId, token);
        const deadlines = items
          .filter(({ authorization }) => (authorization as PlannablePayment).payerHasCode !== true)
          .map(({ authorization }) => authorization.validBefore)
          .filter((deadline) => deadline <= near || !routerAvailable);
        for (const deadline of deadlines) expect(deadline >= (last.get(key) ?? 0n)).to.equal(true);
        for (const deadline of deadlines) last.set(key, deadline);
      }
      expect(payments.length).to.be.at.most(120);
    });
  });

  it("is the same for every order of the input", () => {
    fc.assert(
      fc.property(input, fc.infiniteStream(fc.nat()), (given, numbers) => {
        const keyed = given.payments.map((one) => ({ one, key: numbers.next().value }));
        const shuffled = keyed.sort((a, b) => a.key - b.key).map(({ one }) => one);
        expect(planBatches({ ...given, payments: shuffled })).to.deep.equal(planBatches(given));
      }),
      { numRuns: 100, seed: 43 },
    );
  });

  it("predicts at most the gas limit, and counts the calldata that the encoder writes", () => {
    holds((_, { batches }) => {
      for (const { kind, token, gasAllowance, items, calldataBytes, gasLimit, predictedGas } of batches) {
        const highest = predictedGas.kind === "exact" ? predictedGas.gas : predictedGas.high;
        expect(highest <= gasLimit).to.equal(true);
        if (kind === "direct") continue;
        const data = encodeSettle({ token, gasAllowance, items, batchId: `0x${"11".repeat(32)}` });
        const { zero, nonZero } = countBytes(data);
        expect(calldataBytes).to.equal(zero + nonZero);
      }
    });
  });

  it("takes time in proportion to the payments", () => {
    const template = fakePayment();
    const accounts = Array.from({ length: 520 }, (_, i) => accountAt(i));
    const timeOf = (count: number): number => {
      const payments = Array.from({ length: count }, (_, i): PlannablePayment => {
        const nonce: Hex = `0x${(Math.imul(i, 0x9e3779b1) >>> 0).toString(16).padStart(64, "0")}`;
        const parties = { from: accounts[i % 500]!, to: accounts[500 + (i % 20)]! };
        return { ...template, ...parties, nonce, validBefore: NOW + 100n + BigInt(i % 5_000) };
      });
      // The time of this process alone: others may use the machine meanwhile.
      const before = process.cpuUsage();
      planBatches({ payments, nowSeconds: NOW, routerAvailable: true, gasModel });
      const { user, system } = process.cpuUsage(before);
      return user + system;
    };
    timeOf(4_000);
    const least = (count: number) => Math.min(timeOf(count), timeOf(count), timeOf(count));
    // Eight times the payments: a quadratic step would take 64 times as long.
    expect(least(32_000) / least(4_000)).to.be.lessThan(30);
  });
});
