import { expect } from "chai";
import fc from "fast-check";
import { type Fees, offer } from "../../../../src/chain/fees/fees.ts";
import { replacementFees } from "../../../../src/settlement/sending/fees.ts";

const policy = { floorWei: 1_000n, ceilingWei: 1_000_000n, tipCeilingWei: 400_000n };

describe("offer", () => {
  it("leaves room for the base fee to double", () => {
    const fees = offer({ baseFeePerGas: 10_000n, tip: 500n }, policy);
    expect(fees).to.deep.equal({ maxFeePerGas: 20_500n, maxPriorityFeePerGas: 500n });
  });

  it("keeps to the floor and to the ceiling", () => {
    expect(offer({ baseFeePerGas: 0n, tip: 1n }, policy)).to.deep.equal({
      maxFeePerGas: 1_000n,
      maxPriorityFeePerGas: 1n,
    });
    const high = offer({ baseFeePerGas: 10_000_000n, tip: 2_000_000n }, policy);
    expect(high).to.deep.equal({ maxFeePerGas: 1_000_000n, maxPriorityFeePerGas: 200_000n });
  });

  it("leaves a tip room for five steps below its own ceiling", () => {
    let fees: Fees | undefined = offer({ baseFeePerGas: 100n, tip: 90_000_000n }, policy);
    expect(fees.maxPriorityFeePerGas).to.equal(200_000n);
    const tips: bigint[] = [];
    while (fees !== undefined) {
      tips.push(fees.maxPriorityFeePerGas);
      fees = replacementFees(fees, { baseFeePerGas: 100n, tip: 90_000_000n }, policy);
    }
    expect(tips).to.have.length(6);
    expect(tips.every((tip) => tip <= 400_000n)).to.equal(true);
  });
});

describe("replacementFees", () => {
  it("raises both fields by 12.5 %, rounded up", () => {
    const fees = replacementFees(
      { maxFeePerGas: 8_001n, maxPriorityFeePerGas: 1n },
      { baseFeePerGas: 1n, tip: 1n },
      policy,
    );
    expect(fees).to.deep.equal({ maxFeePerGas: 9_002n, maxPriorityFeePerGas: 2n });
  });

  it("goes straight to the market if that is more", () => {
    const fees = replacementFees(
      { maxFeePerGas: 8_000n, maxPriorityFeePerGas: 10n },
      { baseFeePerGas: 50_000n, tip: 700n },
      policy,
    );
    expect(fees).to.deep.equal({ maxFeePerGas: 100_700n, maxPriorityFeePerGas: 700n });
  });

  it("gives up at the ceiling", () => {
    const last = { maxFeePerGas: 888_889n, maxPriorityFeePerGas: 1n };
    expect(replacementFees(last, { baseFeePerGas: 1n, tip: 1n }, policy)).to.equal(undefined);
  });

  it("is always accepted as a replacement: at least 10 % more in both fields, and never above the ceiling", () => {
    const fee = fc.bigInt({ min: 0n, max: 900_000n });
    fc.assert(
      fc.property(fee, fee, fee, fee, (a, b, baseFeePerGas, tip) => {
        const last = { maxFeePerGas: a > b ? a : b, maxPriorityFeePerGas: a > b ? b : a };
        const next = replacementFees(last, { baseFeePerGas, tip }, policy);
        if (next === undefined) return;
        expect(next.maxFeePerGas * 100n >= last.maxFeePerGas * 110n).to.equal(true);
        expect(next.maxPriorityFeePerGas * 100n >= last.maxPriorityFeePerGas * 110n).to.equal(true);
        expect(next.maxFeePerGas > last.maxFeePerGas).to.equal(true);
        expect(next.maxFeePerGas <= policy.ceilingWei).to.equal(true);
        expect(next.maxPriorityFeePerGas <= next.maxFeePerGas).to.equal(true);
        expect(next.maxPriorityFeePerGas <= policy.tipCeilingWei).to.equal(true);
      }),
      { seed: 1 },
    );
  });
});
