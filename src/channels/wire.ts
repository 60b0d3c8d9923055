import { maxUint128 } from "viem";
import { z } from "zod";
import { address, bytes32, record, signature, wholeNumber } from "../authorization/fields.ts";
import { claimableSignature } from "./signature.ts";
import type { ChannelConfig, VoucherClaim } from "./types.ts";

// Channels in JSON (x402 scheme batch-settlement): decimal strings, addresses in any case. Unknown fields are ignored.

/** An amount that fits the contract's uint128. */
export const uint128 = wholeNumber.refine((value) => value <= maxUint128, "is 2^128 or more.");
const uint40 = wholeNumber.refine((value) => value < 2n ** 40n, "is 2^40 or more.").transform(Number);

/** An address in any case, even with a wrong checksum: x402 clients need not follow EIP-55. */
const anyCaseAddress = z.preprocess(
  (input) => (typeof input === "string" && /^0x[0-9a-fA-F]{40}$/.test(input) ? input.toLowerCase() : input),
  address,
);

/** A channel's terms. */
export const channelConfig: z.ZodType<ChannelConfig> = record({
  payer: anyCaseAddress,
  payerAuthorizer: anyCaseAddress,
  receiver: anyCaseAddress,
  receiverAuthorizer: anyCaseAddress,
  token: anyCaseAddress,
  withdrawDelay: uint40,
  salt: bytes32,
});

/** One row of a claim, with its signature in the form that the contract takes. */
export const voucherClaim: z.ZodType<VoucherClaim> = record({
  voucher: record({ channel: channelConfig, maxClaimableAmount: uint128 }),
  signature,
  totalClaimed: uint128,
}).transform((row) => ({ ...row, signature: claimableSignature(row.voucher.channel, row.signature) }));
