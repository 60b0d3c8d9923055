import { type Hex, hexToBytes } from "viem";

/** The price of data according to an OP-stack chain's L1Block contract. */
export type DataFeeInputs = {
  /** Base fee of the L1 block, in wei. */
  readonly l1BaseFee: bigint;
  /** Blob base fee of the L1 block, in wei. */
  readonly blobBaseFee: bigint;
  /** The chain's weight of `l1BaseFee`, in millionths. */
  readonly baseFeeScalar: bigint;
  /** The chain's weight of `blobBaseFee`, in millionths. */
  readonly blobBaseFeeScalar: bigint;
};

/**
 * The formula that turns a FastLZ compression's length into the estimated size in a batch of L2 transactions, in
 * millionths of a byte. Fjord specification, "Fjord L1-Cost fee changes (FastLZ estimator)".
 */
const MIN_SIZE_SCALED = 100_000_000n;
const INTERCEPT = -42_585_600n;
const COEFFICIENT = 836_500n;
const SCALE = 1_000_000n;

/** The size of a signed transaction's data as the chain estimates it, in millionths of a byte. At least 100 bytes. */
export function estimateDataSize(signedTransaction: Hex): bigint {
  const size = INTERCEPT + COEFFICIENT * BigInt(fastLzLength(hexToBytes(signedTransaction)));
  if (size < MIN_SIZE_SCALED) return MIN_SIZE_SCALED;
  return size;
}

/**
 * The data fee of a signed transaction (its serialized bytes) on an OP-stack chain since Fjord, in wei. It is added to
 * the execution fee. `GasPriceOracle.getL1Fee` estimates the same fee.
 */
export function dataFee(signedTransaction: Hex, inputs: DataFeeInputs): bigint {
  return dataFeeOfSize(estimateDataSize(signedTransaction), inputs);
}

/** The data fee for an estimated size in millionths of a byte, in wei. */
export function dataFeeOfSize(sizeScaled: bigint, inputs: DataFeeInputs): bigint {
  const { l1BaseFee, blobBaseFee, baseFeeScalar, blobBaseFeeScalar } = inputs;
  const pricePerByteScaled = 16n * baseFeeScalar * l1BaseFee + blobBaseFeeScalar * blobBaseFee;
  return (sizeScaled * pricePerByteScaled) / (SCALE * SCALE);
}

const HASH_BITS = 13;
const MAX_DISTANCE = 8_191;
/** No match starts in the last 13 bytes, and none reaches the last 4. */
const TAIL_BYTES = 13;
const TAIL_BYTES_IN_MATCH = 4;
const MAX_LITERALS = 32;
const MAX_MATCH = 262;

/**
 * Length of the FastLZ level 1 compression of `data`, without compressing it. It counts as the nodes and the
 * GasPriceOracle do, which agree to the byte.
 */
export function fastLzLength(data: Uint8Array): number {
  const positions = new Uint32Array(1 << HASH_BITS);
  const searchEnd = Math.max(0, data.length - TAIL_BYTES);
  let length = 0;
  let literalsFrom = 0;
  let at = 2;
  while (at < searchEnd) {
    // The next place whose three bytes occurred before, at most `MAX_DISTANCE` back.
    let earlier = 0;
    let found = false;
    while (at < searchEnd && !found) {
      const word = wordAt(data, at);
      const slot = slotOf(word);
      earlier = positions[slot]!;
      positions[slot] = at;
      found = at - earlier <= MAX_DISTANCE && word === wordAt(data, earlier);
      at += 1;
    }
    if (at >= searchEnd) break;
    at -= 1;

    length += literalsLength(at - literalsFrom);
    const extra = matchedBytes(data, earlier + 3, at + 3, data.length - TAIL_BYTES_IN_MATCH);
    length += matchLength(extra);
    at += extra;
    for (let i = 0; i < 2; i += 1) {
      positions[slotOf(wordAt(data, at))] = at;
      at += 1;
    }
    literalsFrom = at;
  }
  return length + literalsLength(data.length - literalsFrom);
}

/** One instruction byte for each run of at most 32 literals. */
function literalsLength(count: number): number {
  return count + Math.ceil(count / MAX_LITERALS);
}

function matchLength(extra: number): number {
  const rest = (extra - 1) % MAX_MATCH;
  return 3 * Math.floor((extra - 1) / MAX_MATCH) + (rest >= 6 ? 3 : 2);
}

/** How many bytes from two positions on are equal, plus one for the first unequal byte, up to `end`. */
function matchedBytes(data: Uint8Array, earlier: number, later: number, end: number): number {
  let count = 0;
  while (later + count < end) {
    count += 1;
    if (data[earlier + count - 1] !== data[later + count - 1]) break;
  }
  return count;
}

function wordAt(data: Uint8Array, at: number): number {
  return data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16);
}

/** Multiplicative hash of three bytes. */
function slotOf(word: number): number {
  return Math.imul(0x9e3779b9, word) >>> (32 - HASH_BITS);
}
