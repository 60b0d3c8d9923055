import { expect } from "chai";
import fc from "fast-check";
import { type Hex, hashTypedData, IntegerOutOfRangeError, maxUint128, maxUint256, toHex } from "viem";
import { hashVoucher, voucherTypedData } from "../../../src/channels/typedData.ts";

describe("hashVoucher", () => {
  it("is viem's digest of the same voucher, in any case of the id", () => {
    const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => toHex(bytes));
    const chains = fc.constantFrom(1, 8453, 84532, 2 ** 40);
    fc.assert(
      fc.property(chains, bytes32, fc.bigInt(0n, maxUint128), (chainId, channelId, amount) => {
        const expected = hashTypedData(voucherTypedData(chainId, channelId, amount));
        expect(hashVoucher(chainId, channelId, amount)).to.equal(expected);
        const upper = `0x${channelId.slice(2).toUpperCase()}` as Hex;
        expect(hashVoucher(chainId, upper, amount)).to.equal(expected);
      }),
      { numRuns: 50 },
    );
  });

  it("refuses what is not a uint256", () => {
    for (const amount of [-1n, maxUint256 + 1n]) {
      expect(() => hashVoucher(1, toHex(0, { size: 32 }), amount)).to.throw(IntegerOutOfRangeError);
    }
  });
});
