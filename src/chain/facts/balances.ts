import type { Address } from "viem";
import { settlementLensArtifact } from "../../contracts/SettlementLens.ts";
import { chunks } from "../../lists.ts";
import { ask } from "../ask.ts";
import type { ChainClient } from "../client.ts";

/**
 * Owners per eth_call. The answer comes back as if it were the code of a new contract, which EIP-170 bounds to 24,576
 * bytes: 64 for each owner.
 */
const BALANCES_PER_CALL = 350;

/**
 * Token balances in atomic units at a block, the newest one by default, in the order of `owners`.
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function readBalances(
  client: ChainClient,
  token: Address,
  owners: readonly Address[],
  at: { readonly blockNumber?: bigint } = {},
): Promise<readonly bigint[]> {
  const { abi, bytecode: code } = settlementLensArtifact;
  const amounts: bigint[] = [];
  for (const some of chunks(owners, BALANCES_PER_CALL)) {
    const query = { abi, code, functionName: "accounts", args: [token, some] } as const;
    const [, found] = await ask("the balances of payers", client.readContract({ ...query, ...at }));
    amounts.push(...found);
  }
  return amounts;
}
