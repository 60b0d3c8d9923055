import type { Address } from "viem";

/** mds1/multicall: the same address on every chain that has it. Its ABI is viem's `multicall3Abi`. */
export const MULTICALL3_ADDRESS: Address = "0xcA11bde05977b3631167028862bE2a173976CA11";
