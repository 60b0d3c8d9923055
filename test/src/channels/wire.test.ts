import { expect } from "chai";
import { type Address, type Hex, maxUint128, zeroAddress } from "viem";
import type { ChannelConfig, VoucherClaim } from "../../../src/channels/index.ts";
import { channelConfig, voucherClaim } from "../../../src/channels/wire.ts";
import { serialiseVoucherClaim } from "../../helpers/channelPayloads.ts";
import { compact, highS, rawV } from "../../helpers/signatureForms.ts";

const config: ChannelConfig = {
  payer: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
  payerAuthorizer: "0x0000000000000000000000000000000000000000",
  receiver: "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
  receiverAuthorizer: "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
  token: "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
  withdrawDelay: 900,
  salt: `0x${"ab".repeat(32)}`,
};
const claim: VoucherClaim = {
  voucher: { channel: config, maxClaimableAmount: maxUint128 },
  signature: `0x${"12".repeat(65)}`,
  totalClaimed: 5n,
};

describe("channels on the wire", () => {
  it("reads a claim's row back as it was written", () => {
    const json: unknown = JSON.parse(JSON.stringify(serialiseVoucherClaim(claim)));
    expect(voucherClaim.parse(json)).to.deep.equal(claim);
  });

  it("reads a voucher's signature in the form that the contract takes", () => {
    const signature: Hex = `0x${"12".repeat(64)}1b`;
    const read = (payerAuthorizer: Address, form: Hex) => {
      const row = { voucher: { ...claim.voucher, channel: { ...config, payerAuthorizer } }, totalClaimed: 5n };
      return voucherClaim.parse(JSON.parse(JSON.stringify(serialiseVoucherClaim({ ...row, signature: form }))))
        .signature;
    };
    for (const form of [signature, highS(signature), rawV(signature), compact(signature)]) {
      expect(read(config.payer, form)).to.equal(signature);
    }
    // This may be for the code of the payer's account.
    expect(read(zeroAddress, highS(signature))).to.equal(signature);
    for (const form of [rawV(signature), compact(signature)]) expect(read(zeroAddress, form)).to.equal(form);
  });

  it("reads addresses in any case and ignores what it does not know", () => {
    const shouted = {
      ...config,
      payer: `0x${config.payer.slice(2).toUpperCase()}`,
      receiver: config.receiver.toLowerCase(),
    };
    expect(channelConfig.parse({ ...shouted, note: "x" })).to.deep.equal(config);
  });

  for (const [what, json] of [
    ["a missing field", { ...config, token: undefined }],
    ["a short salt", { ...config, salt: "0x00" }],
    ["a delay of 2^40", { ...config, withdrawDelay: 2 ** 40 }],
    ["a delay in fractions", { ...config, withdrawDelay: 900.5 }],
    ["an address that is too short", { ...config, payer: "0x1234" }],
  ] as const) {
    it(`refuses terms with ${what}`, () => {
      expect(channelConfig.safeParse(json).success).to.equal(false);
    });
  }

  for (const [what, change] of [
    ["an amount of 2^128", { totalClaimed: (maxUint128 + 1n).toString() }],
    ["a negative amount", { totalClaimed: "-1" }],
    ["an amount in hexadecimal", { totalClaimed: "0x10" }],
    ["a signature that is not hexadecimal", { signature: "0xzz" }],
    ["no voucher", { voucher: null }],
  ] as const) {
    it(`refuses a row with ${what}`, () => {
      expect(voucherClaim.safeParse({ ...serialiseVoucherClaim(claim), ...change }).success).to.equal(false);
    });
  }
});
