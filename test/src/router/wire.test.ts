import { expect } from "chai";
import type { Hex } from "viem";
import { fitsCompact, isEcdsaSignature } from "../../../src/router/wire.ts";
import { fakePayment } from "../../helpers/payments.ts";

const rs = "ab".repeat(64);

describe("isEcdsaSignature", () => {
  it("takes 65 bytes that end in 27 or 28", () => {
    for (const v of ["1b", "1c", "1B", "1C"]) expect(isEcdsaSignature(`0x${rs}${v}`)).to.equal(true);
  });

  it("takes nothing else", () => {
    const others: Hex[] = ["0x", "0x1b", `0x${rs}`, `0x${rs}00`, `0x${rs}01`, `0x${rs}1a`, `0x${rs}1d`, `0x${rs}ab1b`];
    for (const other of others) expect(isEcdsaSignature(other)).to.equal(false);
  });
});

describe("fitsCompact", () => {
  const fits = (change: Parameters<typeof fakePayment>[0]) =>
    fitsCompact(fakePayment({ signature: `0x${rs}1b`, ...change }));

  it("takes values up to 2^64-1", () => {
    expect(fits({ value: 0n })).to.equal(true);
    expect(fits({ value: 2n ** 64n - 1n })).to.equal(true);
    expect(fits({ value: 2n ** 64n })).to.equal(false);
    expect(fits({ value: -1n })).to.equal(false);
  });

  it("takes times up to 2^32-1", () => {
    for (const key of ["validAfter", "validBefore"] as const) {
      expect(fits({ [key]: 2n ** 32n - 1n })).to.equal(true);
      expect(fits({ [key]: 2n ** 32n })).to.equal(false);
      expect(fits({ [key]: -1n })).to.equal(false);
    }
  });

  it("takes signatures of accounts without code only", () => {
    expect(fits({ signature: `0x${rs}` })).to.equal(false);
  });
});
