import { unavailable } from "./ask.ts";
import type { ChainClient } from "./client.ts";

/** EIP-1559 fees of a transaction, in wei per gas. */
export type Fees = { readonly maxFeePerGas: bigint; readonly maxPriorityFeePerGas: bigint };

/** The tip that is offered where the node suggests none. An L2 sequencer takes almost anything. */
const DEFAULT_TIP_WEI = 1_000_000n;

/**
 * Fees for a transaction sent now: the node's tip, and room for the base fee to double.
 * @param ceilingWei Most that `maxFeePerGas` may be; the tip gives way first.
 * @throws ChainUnavailableError where the node does not say what gas costs.
 */
export async function suggestFees(client: ChainClient, ceilingWei?: bigint): Promise<Fees & { baseFeePerGas: bigint }> {
  try {
    const [block, tip] = await Promise.all([
      client.getBlock({ blockTag: "latest" }),
      client.estimateMaxPriorityFeePerGas().catch(() => DEFAULT_TIP_WEI),
    ]);
    const baseFeePerGas = block.baseFeePerGas ?? 0n;
    const wanted = baseFeePerGas * 2n + tip;
    const maxFeePerGas = ceilingWei !== undefined && wanted > ceilingWei ? ceilingWei : wanted;
    return { baseFeePerGas, maxFeePerGas, maxPriorityFeePerGas: tip < maxFeePerGas ? tip : maxFeePerGas };
  } catch (error) {
    throw unavailable("the price of gas", error);
  }
}

/** What a transaction sent now would pay per gas, in wei: base fee and tip. */
export async function readGasPrice(client: ChainClient): Promise<bigint> {
  const { baseFeePerGas, maxPriorityFeePerGas } = await suggestFees(client);
  return baseFeePerGas + maxPriorityFeePerGas;
}
