// Gas that calls of x402's channel contract are given, inside their transaction: no less than they need with Circle's USDC
// and accounts without code, and first writes counted. test/gas compares them with what the calls use.

/** `deposit` through the ERC-3009 collector. */
export const DEPOSIT_GAS = 190_000n;
/** `claimWithSignature`, for itself and for each row. */
export const CLAIM_GAS = 60_000n;
export const CLAIM_ROW_GAS = 36_000n;
/** `settle`: a transfer to a receiver that may have had nothing. */
export const SWEEP_GAS = 100_000n;
/** `refundWithSignature`. */
export const REFUND_GAS = 120_000n;
