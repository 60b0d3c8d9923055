import { domainSeparator, encodeAbiParameters, type Hex, hashTypedData, keccak256, numberToHex } from "viem";
import { BATCH_SETTLEMENT_ADDRESS } from "./addresses.ts";
import type { ChannelConfig, VoucherClaim } from "./types.ts";

/** The EIP-712 structs of x402 `batch-settlement`, with fields in the order that their type hashes fix. */
export const channelTypes = {
  ChannelConfig: [
    { name: "payer", type: "address" },
    { name: "payerAuthorizer", type: "address" },
    { name: "receiver", type: "address" },
    { name: "receiverAuthorizer", type: "address" },
    { name: "token", type: "address" },
    { name: "withdrawDelay", type: "uint40" },
    { name: "salt", type: "bytes32" },
  ],
  Voucher: [
    { name: "channelId", type: "bytes32" },
    { name: "maxClaimableAmount", type: "uint128" },
  ],
  Refund: [
    { name: "channelId", type: "bytes32" },
    { name: "nonce", type: "uint256" },
    { name: "amount", type: "uint128" },
  ],
  ClaimBatch: [{ name: "claims", type: "ClaimEntry[]" }],
  ClaimEntry: [
    { name: "channelId", type: "bytes32" },
    { name: "maxClaimableAmount", type: "uint128" },
    { name: "totalClaimed", type: "uint128" },
  ],
} as const;

/** The contract's EIP-712 domain on a chain. */
export function channelDomain(chainId: number) {
  return { name: "x402 Batch Settlement", version: "1", chainId, verifyingContract: BATCH_SETTLEMENT_ADDRESS } as const;
}

/** The id of the channel with these terms on this chain. */
export function channelIdOf(chainId: number, config: ChannelConfig): Hex {
  const { ChannelConfig } = channelTypes;
  return hashTypedData({
    domain: channelDomain(chainId),
    types: { ChannelConfig },
    primaryType: "ChannelConfig",
    message: config,
  });
}

/** What the payer's side signs: a total of up to `maxClaimableAmount` atomic units of the channel. */
export function voucherTypedData(chainId: number, channelId: Hex, maxClaimableAmount: bigint) {
  const { Voucher } = channelTypes;
  return {
    domain: channelDomain(chainId),
    types: { Voucher },
    primaryType: "Voucher",
    message: { channelId, maxClaimableAmount },
  } as const;
}

/** `keccak256("Voucher(bytes32 channelId,uint128 maxClaimableAmount)")`. */
const VOUCHER_TYPE_HASH = "1e1bd6ff84c3e0d9029a292b212e039c0ca97ec497c55191a4a5874294609a69";

/**
 * The digest of {@link voucherTypedData}. It is computed here and not by viem's `hashTypedData`, which reads the types
 * again each time: a server does this for every request.
 * @throws IntegerOutOfRangeError for an amount that is no uint256.
 */
export function hashVoucher(chainId: number, channelId: Hex, maxClaimableAmount: bigint): Hex {
  const amount = numberToHex(maxClaimableAmount, { size: 32 }).slice(2);
  const struct = keccak256(`0x${VOUCHER_TYPE_HASH}${channelId.slice(2)}${amount}`);
  return keccak256(`0x1901${separatorOf(chainId).slice(2)}${struct.slice(2)}`);
}

const separators = new Map<number, Hex>();

/** Caches the domain separator of each chain. There are as many as chains that the process serves. */
function separatorOf(chainId: number): Hex {
  const known = separators.get(chainId) ?? domainSeparator({ domain: channelDomain(chainId) });
  separators.set(chainId, known);
  return known;
}

/**
 * What the receiver authorizer signs for a refund of up to `amount` atomic units. `nonce` counts the channel's refunds.
 */
export function refundTypedData(chainId: number, channelId: Hex, nonce: bigint, amount: bigint) {
  const { Refund } = channelTypes;
  return {
    domain: channelDomain(chainId),
    types: { Refund },
    primaryType: "Refund",
    message: { channelId, nonce, amount },
  } as const;
}

/** What the receiver authorizer signs for a claim of exactly these rows in this order. */
export function claimBatchTypedData(chainId: number, rows: readonly VoucherClaim[]) {
  const { ClaimBatch, ClaimEntry } = channelTypes;
  const claims = rows.map(({ voucher, totalClaimed }) => ({
    channelId: channelIdOf(chainId, voucher.channel),
    maxClaimableAmount: voucher.maxClaimableAmount,
    totalClaimed,
  }));
  return {
    domain: channelDomain(chainId),
    types: { ClaimBatch, ClaimEntry },
    primaryType: "ClaimBatch",
    message: { claims },
  } as const;
}

/** The EIP-3009 nonce of a deposit into a channel through the ERC-3009 collector. It commits to the channel. */
export function depositNonce(channelId: Hex, salt: bigint): Hex {
  return keccak256(encodeAbiParameters([{ type: "bytes32" }, { type: "uint256" }], [channelId, salt]));
}

/**
 * The ERC-3009 collector's `collectorData`: the payer's `ReceiveWithAuthorization` to the collector, with the nonce of
 * {@link depositNonce}.
 */
export function encodeDepositAuthorization(authorization: {
  /** Unix seconds. */
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  readonly salt: bigint;
  readonly signature: Hex;
}): Hex {
  const { validAfter, validBefore, salt, signature } = authorization;
  return encodeAbiParameters(
    [{ type: "uint256" }, { type: "uint256" }, { type: "uint256" }, { type: "bytes" }],
    [validAfter, validBefore, salt, signature],
  );
}
