import type { Address } from "viem";

// x402 scheme batch-settlement on EVM, "Reference Implementation": each contract has one address on every chain, which
// the official packages hold as a constant.

/** x402BatchSettlement, the contract that holds every channel. */
export const BATCH_SETTLEMENT_ADDRESS: Address = "0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003";

/** ERC3009DepositCollector: collects deposits of tokens with EIP-3009, such as USDC. */
export const ERC3009_DEPOSIT_COLLECTOR_ADDRESS: Address = "0x4020806089470a89826cB9fB1f4059150b550004";

/** Bounds of a channel's `withdrawDelay`, in seconds: 15 minutes and 30 days. */
export const MIN_WITHDRAW_DELAY_SECONDS = 900;
export const MAX_WITHDRAW_DELAY_SECONDS = 2_592_000;
