import { expect } from "chai";
import { ChainUnavailableError } from "../../../../src/chain/errors.ts";
import { createFloor } from "../../../../src/facilitator/admission/floor.ts";
import { createGasBook } from "../../../../src/facilitator/admission/gas.ts";
import type { Ask } from "../../../../src/facilitator/admission/types.ts";

const payment: Ask = { kind: "payment", network: "", tokens: [], amount: 1n, payer: undefined, fingerprint: "" };

describe("createGasBook", () => {
  const book = createGasBook({ batches: true, maxDeploymentGas: 2_000_000n });
  const gasOf = (ask: Partial<Ask>, isAlone = false) => Number(book.expect({ ...payment, ...ask }, isAlone).gas);

  it("expects that a payment takes its part of a full batch, and more if it goes alone", () => {
    expect(gasOf({})).to.be.within(48_000, 56_000);
    expect(gasOf({}, true)).to.be.within(75_000, 95_000);
    const direct = createGasBook({ batches: false, maxDeploymentGas: 0n });
    expect(Number(direct.expect(payment, false).gas)).to.equal(gasOf({}, true));
  });

  it("counts what code may take: a wallet's check, and its deployment", () => {
    expect(gasOf({ signatureBytes: 66 }) - gasOf({ signatureBytes: 65 })).to.equal(200_000);
    expect(gasOf({ deploys: true }) - gasOf({})).to.equal(2_000_000);
  });

  it("expects that calls take what their kind takes", () => {
    expect(gasOf({ kind: "deposit" })).to.equal(141_044);
    expect(gasOf({ kind: "claim", rows: 2 })).to.equal(36_363 + 2 * 24_333);
    expect(gasOf({ kind: "sweep" })).to.equal(56_840);
    expect(gasOf({ kind: "refund", rows: 1 })).to.equal(156_000);
  });
});

describe("createFloor", () => {
  const expected = { gas: 50_000n, dataFeeWei: () => 0n };
  let nowMs = 0;
  let isDown = false;
  let asked = 0;
  const clock = { now: () => nowMs, sleep: async () => undefined };
  const read = async () => {
    asked += 1;
    if (isDown) throw new ChainUnavailableError("The node did not say the price of gas.");
    return { gasPriceWei: 1_000_000_000n, data: undefined };
  };

  it("is 0 if the operator set no multiple", async () => {
    expect(await createFloor(read, clock, { minGasPermille: undefined, etherMicroUsd: 0n })(expected)).to.equal(0n);
    expect(asked).to.equal(0);
  });

  it("is the multiple of the gas at the price of gas and of ether, rounded up", async () => {
    // 50,000 gas at 1 gwei and $3,000 are $0.15; twice that is $0.30.
    const floor = createFloor(read, clock, { minGasPermille: 2_000n, etherMicroUsd: 3_000_000_000n });
    expect(await floor(expected)).to.equal(300_000n);
    expect(await floor({ ...expected, gas: 1n })).to.equal(6n);
  });

  it("reads the price every 15 s, uses an old one for ten minutes, and then reports that the node is down", async () => {
    nowMs = 0;
    asked = 0;
    const floor = createFloor(read, clock, { minGasPermille: 1_000n, etherMicroUsd: 3_000_000_000n });
    await floor(expected);
    nowMs = 14_999;
    await floor(expected);
    expect(asked).to.equal(1);
    isDown = true;
    nowMs = 599_999;
    expect(await floor(expected)).to.equal(150_000n);
    nowMs = 600_000;
    expect(await floor(expected).catch((error: unknown) => error)).to.be.instanceOf(ChainUnavailableError);
  });
});
