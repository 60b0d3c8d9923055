import { type Address, encodeFunctionData, type Hex, numberToHex, pad, toEventSelector, zeroAddress } from "viem";
import { countBytes, gasLimitFor } from "../gas/index.ts";
import { batchSettlementAbi as abi } from "./abi.ts";
import { BATCH_SETTLEMENT_ADDRESS, ERC3009_DEPOSIT_COLLECTOR_ADDRESS } from "./addresses.ts";
import { CLAIM_GAS, CLAIM_ROW_GAS, DEPOSIT_GAS, REFUND_GAS, SWEEP_GAS } from "./gas.ts";
import { depositNonce, encodeDepositAuthorization } from "./typedData.ts";
import type { ChannelConfig, VoucherClaim } from "./types.ts";

/**
 * A call of the channel contract that anyone may make, with the log that proves it. It may share a transaction if none
 * of `signers` has code. An account with code is asked by ERC-1271, and decides how much gas that takes. An account
 * that is asked twice is named twice.
 */
export type ChannelCall = {
  readonly data: Hex;
  /** The gas of the call alone. */
  readonly gas: bigint;
  readonly proof: {
    readonly address: Address;
    readonly topics: readonly Hex[];
    /** The words of the log's data; null matches any. */
    readonly data?: readonly (Hex | null)[];
  };
  readonly signers: readonly Address[];
  /** What it takes from a payer: the nonce and value of their EIP-3009 authorization. */
  readonly spends?: { readonly token: Address; readonly from: Address; readonly nonce: Hex; readonly value: bigint };
};

const USED = toEventSelector("AuthorizationUsed(address,bytes32)");
const [CLAIMED, SETTLED, REFUNDED] = [
  toEventSelector("Claimed(bytes32,address,uint128,uint128)"),
  toEventSelector("Settled(address,address,address,uint128)"),
  toEventSelector("Refunded(bytes32,address,uint128)"),
];

/** A deposit. The use of the authorization's nonce proves it, because that nonce is spent on this deposit alone. */
export function depositCall(deposit: {
  readonly channelConfig: ChannelConfig;
  readonly channelId: Hex;
  readonly amount: bigint;
  readonly authorization: Parameters<typeof encodeDepositAuthorization>[0];
}): ChannelCall {
  const { channelConfig, channelId, amount, authorization } = deposit;
  const collectorData = encodeDepositAuthorization(authorization);
  const args = [channelConfig, amount, ERC3009_DEPOSIT_COLLECTOR_ADDRESS, collectorData] as const;
  const nonce = depositNonce(channelId, authorization.salt);
  return {
    data: encodeFunctionData({ abi, functionName: "deposit", args }),
    gas: DEPOSIT_GAS,
    proof: { address: channelConfig.token, topics: [USED, topicOf(channelConfig.payer), nonce] },
    signers: [channelConfig.payer],
    spends: { token: channelConfig.token, from: channelConfig.payer, nonce, value: amount },
  };
}

/**
 * A claim of rows that name one receiver authorizer, under its signature.
 * @param effective A channel whose claimed total this claim raises, and the new total.
 */
export function claimCall(
  rows: readonly VoucherClaim[],
  signature: Hex,
  effective: { readonly channelId: Hex; readonly totalClaimed: bigint },
): ChannelCall {
  return {
    data: encodeFunctionData({ abi, functionName: "claimWithSignature", args: [rows, signature] }),
    gas: CLAIM_GAS + CLAIM_ROW_GAS * BigInt(rows.length),
    proof: {
      address: BATCH_SETTLEMENT_ADDRESS,
      topics: [CLAIMED, effective.channelId],
      data: [null, numberToHex(effective.totalClaimed, { size: 32 })],
    },
    signers: claimSigners(rows),
  };
}

/** Sends a receiver what was claimed for them. */
export function sweepCall(receiver: Address, token: Address): ChannelCall {
  return {
    data: encodeFunctionData({ abi, functionName: "settle", args: [receiver, token] }),
    gas: SWEEP_GAS,
    proof: { address: BATCH_SETTLEMENT_ADDRESS, topics: [SETTLED, topicOf(receiver), topicOf(token)] },
    signers: [],
  };
}

/** A refund, after a claim of what is owed up to then. */
export function refundCall(
  terms: {
    readonly channelConfig: ChannelConfig;
    readonly channelId: Hex;
    readonly amount: bigint;
    readonly refundNonce: bigint;
    readonly claims: readonly VoucherClaim[];
  },
  signatures: { readonly refund: Hex; readonly claim: Hex | undefined },
): ChannelCall {
  const { channelConfig, channelId, amount, refundNonce, claims } = terms;
  const refundArgs = [channelConfig, amount, refundNonce, signatures.refund] as const;
  const refund = encodeFunctionData({ abi, functionName: "refundWithSignature", args: refundArgs });
  const proof = { address: BATCH_SETTLEMENT_ADDRESS, topics: [REFUNDED, channelId] };
  const signers = [channelConfig.receiverAuthorizer];
  if (claims.length === 0 || signatures.claim === undefined) {
    return { data: refund, gas: REFUND_GAS, proof, signers };
  }
  const claimArgs = [claims, signatures.claim] as const;
  const claim = encodeFunctionData({ abi, functionName: "claimWithSignature", args: claimArgs });
  return {
    data: encodeFunctionData({ abi, functionName: "multicall", args: [[claim, refund]] }),
    gas: REFUND_GAS + CLAIM_GAS + CLAIM_ROW_GAS * BigInt(claims.length),
    proof,
    signers: [...signers, ...claimSigners(claims)],
  };
}

/**
 * Who may be asked by ERC-1271 when these rows are claimed: the receiver authorizer once, and a payer for each voucher
 * of their own.
 */
function claimSigners(rows: readonly VoucherClaim[]): Address[] {
  const authorizers = rows.slice(0, 1).map(({ voucher: { channel } }) => channel.receiverAuthorizer);
  return [...authorizers, ...voucherSigners(rows)];
}

/** Payers that sign their vouchers themselves. Those with code are asked by ERC-1271. */
function voucherSigners(rows: readonly VoucherClaim[]): Address[] {
  return rows.flatMap(({ voucher: { channel } }) => (isSelfSigned(channel) ? [channel.payer] : []));
}

/** Whether a channel's payer signs its vouchers with an account that may have code. */
export function isSelfSigned({ payerAuthorizer }: Pick<ChannelConfig, "payerAuthorizer">): boolean {
  return payerAuthorizer === zeroAddress;
}

/** Gas of a call as a transaction of its own. */
export function transactionGasOf({ data, gas }: Pick<ChannelCall, "data" | "gas">): bigint {
  return BigInt(gasLimitFor(countBytes(data), Number(gas)));
}

function topicOf(address: Address): Hex {
  return pad(address, { size: 32 });
}
