import { type Address, type Hex, serializeTransaction } from "viem";

/** A signature's two halves. They do not compress, alone or together. */
const R: Hex = "0x9c1185a5c5e9fc54612808977ee8f548b2258d31a3f5b2d7e0c49a6b83f1d20e";
const S: Hex = "0x4d6f03b87a92e1145cc6fd37902be85ea4137618df0ac9936e51b20f87d43c61";

/**
 * The bytes of a call as a signed transaction, with a signature of the usual length. The data fee is charged for these
 * bytes.
 */
export function sampleTransaction(
  call: { readonly to: Address; readonly data: Hex; readonly gas: bigint },
  chainId: number,
): Hex {
  const fees = { maxFeePerGas: 10_000_000n, maxPriorityFeePerGas: 1_000_000n };
  return serializeTransaction(
    { type: "eip1559", chainId, nonce: 1000, to: call.to, data: call.data, gas: call.gas, ...fees },
    { r: R, s: S, yParity: 1 },
  );
}
