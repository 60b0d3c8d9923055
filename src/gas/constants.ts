/**
 * What a token's `transferWithAuthorization` costs, apart from what the state of balances decides: the SSTOREs of the two
 * balance slots and every first touch of a slot or account are counted by the model itself.
 */
export type TokenGas = {
  readonly name: string;
  /** Once per transaction: cold surcharges of the implementation and of the slots that all transfers read. */
  readonly firstUseGas: number;
  /** A transfer through the (v, r, s) overload with all of that warm, a fresh nonce slot included. */
  readonly transferGas: number;
  /** What a transfer that its transaction calls itself costs more than the first one of a batch. */
  readonly directGas: number;
  /** What the `bytes signature` overload costs more with a 65-byte signature. */
  readonly bytesOverloadGas: number;
  /** The most that a failing call costs in a batch in which another item went well before: it fails last, on balance. */
  readonly failedTransferGas: number;
  /**
   * Smallest gas allowance that lets every transfer of a payer without code through: first of its transaction, cold
   * payer, payee from zero; with a tenth to spare. Measured, since the 63/64 rule acts inside the token too.
   */
  readonly minimumAllowance: bigint;
};

/** What the router adds around the token's calls. */
export type RouterGas = {
  /** Once per batch: dispatch, header, the token's code check, bitmap, final event. */
  readonly baseGas: number;
  /** A compact item around its call, the call's own price for a warm address included. */
  readonly compactItemGas: number;
  /** The same for a wide item with a 65-byte signature. */
  readonly wideItemGas: number;
  /** For each further 32-byte word of a wide item's signature. */
  readonly signatureWordGas: number;
  /** The most that a failed item adds: bitmap and failure event with a reason of the longest kind. */
  readonly failedItemGas: number;
};

/** The model of one token behind one router. */
export type GasModel = { readonly token: TokenGas; readonly router: RouterGas };

// Measured by `hardhat run scripts/dev/calibrateGas.ts`, which prints these constants with their residuals. Run it again after
// any change of the contracts or of the compiler's settings.

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

/** Circle's FiatTokenV2_2 behind its proxy, from figures measured on its real code; `TokenGas` says what is what. */
export const CIRCLE_USDC_GAS: TokenGas = {
  name: "USDC",
  firstUseGas: 12_804,
  transferGas: 36_499,
  directGas: 194,
  bytesOverloadGas: 200,
  failedTransferGas: 40_200,
  minimumAllowance: 88_000n,
};

export const ROUTER_GAS: RouterGas = {
  baseGas: 4_064,
  compactItemGas: 455,
  wideItemGas: 1_562,
  signatureWordGas: 7,
  failedItemGas: 4_386,
};

/**
 * What an item that fails adds to a batch with MockUSDC, calldata and failure event included; for reports. An item of a
 * payer with code may cost its allowance instead.
 */
export const FAILED_ITEM_GAS = {
  expired: 11_662,
  nonceUsed: 13_968,
  badSignature: 21_090,
  insufficientBalance: 43_408,
} as const;
