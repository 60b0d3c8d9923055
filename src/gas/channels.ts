/**
 * The costs of a channel's life (x402 `batch-settlement`): gas of whole transactions with their calldata. Each
 * operation has a transaction of its own, on accounts and slots that were used before.
 */
export type ChannelGas = {
  readonly name: string;
  /** The deposit that opens a channel, by EIP-3009. */
  readonly depositGas: number;
  /** Each further deposit. */
  readonly topUpGas: number;
  /** A `claimWithSignature` without its rows. */
  readonly claimBaseGas: number;
  /** One row of a claim. */
  readonly claimRowGas: number;
  /** `settle` of one receiver's token. */
  readonly sweepGas: number;
};

/**
 * The local chain's doubles with MockUSDC. test/gas/channels.json has the measured values, and a test compares these
 * with them.
 */
export const MOCK_CHANNEL_GAS: ChannelGas = {
  name: "the local chain's doubles",
  depositGas: 133_480,
  topUpGas: 112_991,
  claimBaseGas: 36_300,
  claimRowGas: 19_541,
  sweepGas: 56_971,
};

/** The canonical contracts with Circle's FiatTokenV2_2, measured on their own code on an Osaka chain. */
export const CANONICAL_CHANNEL_GAS: ChannelGas = {
  name: "x402BatchSettlement",
  depositGas: 141_044,
  topUpGas: 120_068,
  claimBaseGas: 36_363,
  claimRowGas: 24_333,
  sweepGas: 56_840,
};

/** Gas of a transaction that claims this many channels. */
export function claimGas(model: ChannelGas, rows: number): bigint {
  return BigInt(model.claimBaseGas) + BigInt(model.claimRowGas) * BigInt(rows);
}

/** Gas of this many deposits into one channel, each a transaction of its own. */
export function depositGas(model: ChannelGas, deposits: bigint): bigint {
  return deposits === 0n ? 0n : BigInt(model.depositGas) + BigInt(model.topUpGas) * (deposits - 1n);
}
