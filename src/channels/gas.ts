// Gas that calls of x402's channel contract get within their transaction: at least what they need with Circle's USDC
// and accounts without code, first writes included. test/gas compares it with what the calls use.

/** `deposit` through the ERC-3009 collector. */
export const DEPOSIT_GAS = 190_000n;
/** `claimWithSignature`: the call itself, and each row. */
export const CLAIM_GAS = 60_000n;
export const CLAIM_ROW_GAS = 36_000n;
/** `settle`: a transfer to a receiver whose balance may be zero. */
export const SWEEP_GAS = 100_000n;
/** `refundWithSignature`. */
export const REFUND_GAS = 120_000n;
