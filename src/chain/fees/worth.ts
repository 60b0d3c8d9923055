import type { Address, Hex } from "viem";
import { dataFee, sampleTransaction } from "../../fees/index.ts";
import type { CallWorth } from "../../gas/budget.ts";
import type { ChainClient } from "../client.ts";
import { readDataFeeInputs } from "./dataFee.ts";
import { readGasPrice } from "./fees.ts";

/**
 * What a call brings, and what it costs now, including the data fee of an OP-stack chain. Undefined if ether has no
 * price.
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function readWorth(
  client: ChainClient,
  call: { readonly to: Address; readonly data: Hex; readonly gas: bigint },
  { microUsd, etherMicroUsd }: Pick<CallWorth, "microUsd" | "etherMicroUsd">,
): Promise<CallWorth | undefined> {
  if (etherMicroUsd === 0n) return undefined;
  const [gasPriceWei, inputs] = await Promise.all([readGasPrice(client), readDataFeeInputs(client)]);
  const dataWei = inputs === undefined ? 0n : dataFee(sampleTransaction(call, client.chain.id), inputs);
  return { microUsd, etherMicroUsd, gasPriceWei, dataWei };
}
