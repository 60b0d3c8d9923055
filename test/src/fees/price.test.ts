import { expect } from "chai";
import { priceBatch } from "../../../src/fees/index.ts";

describe("priceBatch", () => {
  const batch = {
    gas: 4_700_000n,
    gasPriceWei: 5_000_000n,
    l1FeeWei: 500_000_000_000n,
    payments: 100,
    valueMicroUsd: 1_000_000n,
  };

  it("adds execution and data", () => {
    expect(priceBatch(batch)).to.deep.equal({
      executionWei: 23_500_000_000_000n,
      dataWei: 500_000_000_000n,
      totalWei: 24_000_000_000_000n,
      weiPerPayment: 240_000_000_000n,
    });
  });

  it("prices in dollars and as a share of the value", () => {
    const { usd } = priceBatch({ ...batch, etherMicroUsd: 3_000_000_000n });
    // 0.000024 ether at 3,000 dollars: 0.072 dollars for 100 payments of a cent.
    expect(usd).to.deep.equal({ totalNano: 72_000_000n, perPaymentNano: 720_000n, shareOfValuePpm: 72_000n });
  });

  it("rounds costs up and has no share of a value of zero", () => {
    const { weiPerPayment, usd } = priceBatch({
      ...batch,
      gas: 1n,
      gasPriceWei: 1n,
      l1FeeWei: 0n,
      valueMicroUsd: 0n,
      etherMicroUsd: 3_000_000_000n,
    });
    expect(weiPerPayment).to.equal(1n);
    expect(usd).to.deep.equal({ totalNano: 1n, perPaymentNano: 1n, shareOfValuePpm: undefined });
  });
});
