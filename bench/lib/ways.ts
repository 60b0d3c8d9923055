import { type Address, encodeFunctionData, type Hex, multicall3Abi } from "viem";
import { encodeTransfer } from "../../src/authorization/encode.ts";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import { CIRCLE_USDC_GAS, MOCK_USDC_GAS } from "../../src/gas/index.ts";

/** The names of the compared ways in every table. */
export const WAY = {
  single: "one transaction per payment",
  multicall: "Multicall3 aggregate3",
  tributary: "Tributary",
} as const;

/** The most payments that fit into an `aggregate3` under 2^24 gas, even if the payees had no balance. */
export const CALLS_PER_MULTICALL = 300;

/** One `aggregate3` with a `transferWithAuthorization` for each payment; a failure of one does not stop the others. */
export function encodeMulticall(token: Address, payments: readonly SignedAuthorization[]): Hex {
  const calls = payments.map((payment) => ({
    target: token,
    allowFailure: true,
    callData: encodeTransfer(payment, "vrs"),
  }));
  return encodeFunctionData({ abi: multicall3Abi, functionName: "aggregate3", args: [calls] });
}

/**
 * What transactions would use with Circle's token instead of MockUSDC, whose code is cheaper: some gas more for each payment,
 * and some more at the first use of the token in a transaction. The figures are those of the gas models.
 */
export function withRealToken(gas: number, payments: number, transactions: number): number {
  const perPayment = CIRCLE_USDC_GAS.transferGas - MOCK_USDC_GAS.transferGas;
  const perTransaction = CIRCLE_USDC_GAS.firstUseGas - MOCK_USDC_GAS.firstUseGas;
  const alone = payments === transactions ? CIRCLE_USDC_GAS.directGas - MOCK_USDC_GAS.directGas : 0;
  return gas + payments * perPayment + transactions * (perTransaction + alone);
}

/** Gas per payment that no way of batching can go below: the real token's own part, and the least calldata. */
export const FLOOR_GAS = { manyToOne: 46_150, oneToOne: 38_850, manyToMany: 51_300 } as const;

/** Calldata that every payment needs: payer, value, times, nonce, signature. Its own payee takes 20 bytes more. */
export const FLOOR_CALLDATA_BYTES = 126;

/** What Circle's token itself uses for one of many payments to one payee (N → 1), whoever calls it. */
export const REAL_TOKEN_GAS = 43_988;
