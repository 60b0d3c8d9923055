import type { Address } from "viem";
import { settlementLensArtifact } from "../../contracts/SettlementLens.ts";
import { ask } from "../ask.ts";
import type { ChainClient } from "../client.ts";

/** The most owners per eth_call: they travel inside creation code, which EIP-3860 bounds to 49,152 bytes. */
export const BALANCES_PER_CALL = 800;

/**
 * Token balances in atomic units at a block, the newest one by default, in the order of `owners`, in one eth_call.
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function readBalances(
  client: ChainClient,
  token: Address,
  owners: readonly Address[],
  at: { readonly blockNumber?: bigint } = {},
): Promise<readonly bigint[]> {
  const { abi, bytecode: code } = settlementLensArtifact;
  const query = { abi, code, functionName: "accounts", args: [token, owners.slice(0, BALANCES_PER_CALL)] } as const;
  const [, amounts] = await ask("the balances of payers", client.readContract({ ...query, ...at }));
  return amounts;
}
