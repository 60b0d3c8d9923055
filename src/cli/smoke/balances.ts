import { type Address, erc20Abi } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import type { SettlementReport } from "../../settlement/index.ts";

/**
 * Each balance before the first and after the last of the transactions; undefined if there are no transactions, or the
 * node no longer has the balances.
 */
export async function readBalances<Role extends string>(
  client: ChainClient,
  usdc: Address,
  owners: Readonly<Record<Role, Address>>,
  { transactions }: SettlementReport,
): Promise<Readonly<Record<Role, Change>>> {
  const blocks = transactions.map(({ blockNumber }) => blockNumber);
  const [firstBlock, lastBlock] = [
    blocks.reduce((a, b) => (a < b ? a : b), blocks[0] ?? 0n),
    blocks.reduce((a, b) => (a > b ? a : b), 0n),
  ];
  const balance = (of: Address, blockNumber: bigint) =>
    client.readContract({ address: usdc, abi: erc20Abi, functionName: "balanceOf", args: [of], blockNumber });
  const change = async (address: Address): Promise<Change> =>
    blocks.length === 0
      ? undefined
      : { address, before: await balance(address, firstBlock - 1n), after: await balance(address, lastBlock) };
  const entries = Object.entries<Address>(owners).map(async ([role, owner]) => {
    // The node may not answer any more. The transactions are reported anyway.
    return [role, await change(owner).catch(() => undefined)] as const;
  });
  return Object.fromEntries(await Promise.all(entries)) as Record<Role, Change>;
}

export type Change = { readonly address: Address; readonly before: bigint; readonly after: bigint } | undefined;
