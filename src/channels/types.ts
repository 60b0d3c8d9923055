import type { Address, Hex } from "viem";

/**
 * The terms of a channel, which never change. Their EIP-712 hash is its id. Fields as in the contract's
 * `ChannelConfig`.
 */
export type ChannelConfig = {
  /** Whose tokens are deposited, and who gets back what is not claimed. */
  readonly payer: Address;
  /** The key that signs vouchers (ECDSA only); the zero address if the payer signs them itself (ECDSA or ERC-1271). */
  readonly payerAuthorizer: Address;
  readonly receiver: Address;
  /** Who signs claims and refunds for the receiver (ECDSA or ERC-1271). */
  readonly receiverAuthorizer: Address;
  readonly token: Address;
  /** Seconds from the start of the payer's withdrawal to its end. */
  readonly withdrawDelay: number;
  readonly salt: Hex;
};

/** The payer's promise that a total of up to `maxClaimableAmount` atomic units of the channel may be claimed. */
export type Voucher = {
  readonly channel: ChannelConfig;
  readonly maxClaimableAmount: bigint;
};

/** One row of a claim, as the contract takes it. */
export type VoucherClaim = {
  readonly voucher: Voucher;
  /** The signature of the payer's side over the voucher. */
  readonly signature: Hex;
  /** The channel's claimed total after the claim, in atomic units. */
  readonly totalClaimed: bigint;
};

/** A channel as the contract knows it. Amounts in atomic units. */
export type ChannelState = {
  /** Deposits minus refunds and withdrawals. What was claimed is included. */
  readonly balance: bigint;
  readonly totalClaimed: bigint;
  /** Unix seconds; 0 if no withdrawal is under way. */
  readonly withdrawRequestedAt: number;
  /** The nonce of the next refund. */
  readonly refundNonce: bigint;
};
