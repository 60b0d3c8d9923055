/**
 * The gas of a token's `transferWithAuthorization`, without what depends on balances and first touches: the model
 * itself counts the SSTOREs of the two balance slots and every first touch of a slot or account.
 */
export type TokenGas = {
  readonly name: string;
  /** Once per transaction: cold surcharges of the implementation and of the slots that all transfers read. */
  readonly firstUseGas: number;
  /** A transfer through the (v, r, s) overload with all of that warm, including a fresh nonce slot. */
  readonly transferGas: number;
  /** The extra gas of a transfer that is its transaction's own call, over the first one of a batch. */
  readonly directGas: number;
  /** The extra gas of the `bytes signature` overload with a 65-byte signature. */
  readonly bytesOverloadGas: number;
  /**
   * The most that a failing call costs in a batch in which another item succeeded before. That call fails last, on the
   * balance.
   */
  readonly failedTransferGas: number;
  /**
   * The smallest gas allowance with which every transfer of a payer without code succeeds: first of its transaction,
   * cold payer, payee from zero, and a tenth to spare. Measured, since the 63/64 rule acts inside the token too.
   */
  readonly minimumAllowance: bigint;
};

/** The gas that the router adds around the token's calls. */
export type RouterGas = {
  /** Once per batch: dispatch, header, the token's code check, bitmap, final event. */
  readonly baseGas: number;
  /** A compact item around its call, including the call's own price for a warm address. */
  readonly compactItemGas: number;
  /** The same for a wide item with a 65-byte signature. */
  readonly wideItemGas: number;
  /** For each further 32-byte word of a wide item's signature. */
  readonly signatureWordGas: number;
  /** The most that a failed item adds: bitmap, and failure event with a reason of the longest kind. */
  readonly failedItemGas: number;
};

/** The model of one token behind one router. */
export type GasModel = { readonly token: TokenGas; readonly router: RouterGas };

// Measured by `hardhat run scripts/dev/calibrateGas.ts`, which prints these constants with their residuals. Run it
// again after any change of the contracts or of the compiler's settings.

/** MockUSDC behind FiatProxy. */
export const MOCK_USDC_GAS: TokenGas = {
  name: "MockUSDC",
  firstUseGas: 10_500,
  transferGas: 34_983,
  directGas: 0,
  bytesOverloadGas: 19,
  failedTransferGas: 38_604,
  minimumAllowance: 84_000n,
};

/** Circle's FiatTokenV2_2 behind its proxy, from figures measured on its real code. See `TokenGas` for each field. */
export const CIRCLE_USDC_GAS: TokenGas = {
  name: "USDC",
  firstUseGas: 12_804,
  transferGas: 36_499,
  directGas: 194,
  bytesOverloadGas: 200,
  failedTransferGas: 40_200,
  minimumAllowance: 88_000n,
};

/** The SettlementRouter, from figures measured on its code. See {@link RouterGas} for each field. */
export const ROUTER_GAS: RouterGas = {
  baseGas: 4_064,
  compactItemGas: 455,
  wideItemGas: 1_562,
  signatureWordGas: 7,
  failedItemGas: 4_386,
};

/**
 * The gas that a failed item adds to a batch with MockUSDC, including calldata and failure event. For reports. An item
 * of a payer with code may cost its allowance instead.
 */
export const FAILED_ITEM_GAS = {
  expired: 11_662,
  nonceUsed: 13_968,
  badSignature: 21_090,
  insufficientBalance: 43_408,
} as const;
