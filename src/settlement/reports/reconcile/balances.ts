import { type Address, getAddress } from "viem";
import type { ChainClient } from "../../../chain/client.ts";
import { readBalances } from "../../../chain/facts/balances.ts";
import { type BlockRange, inPieces, readTransfers } from "../../../chain/logs/tokenLogs.ts";
import { chunks } from "../../../lists.ts";
import type { Balances, Ledger } from "./ledger.ts";

const PARTIES_PER_QUERY = 100;

/**
 * Token balances before and after a block range. Undefined if the node does not have the state of both ends: full nodes
 * keep the state of the last blocks only.
 */
export async function readBalancesAround(
  client: ChainClient,
  token: Address,
  { from, to }: BlockRange,
  accounts: readonly Address[],
): Promise<Balances | undefined> {
  const balances = new Map<Address, { before: bigint; after: bigint }>();
  try {
    const [before, after] = await Promise.all([
      from === 0n ? [] : readBalances(client, token, accounts, { blockNumber: from - 1n }),
      readBalances(client, token, accounts, { blockNumber: to }),
    ]);
    for (const [index, account] of accounts.entries()) {
      balances.set(getAddress(account), { before: before[index] ?? 0n, after: after[index] ?? 0n });
    }
  } catch {
    return undefined;
  }
  return balances;
}

/** Adds every transfer from or to the ledger's accounts in the range. */
export async function addFlows(client: ChainClient, token: Address, range: BlockRange, ledger: Ledger): Promise<void> {
  for (const some of chunks(ledger.addresses(), PARTIES_PER_QUERY)) {
    await inPieces(range, async (piece) => {
      const incoming = await readTransfers(client, token, piece, { to: some });
      const outgoing = await readTransfers(client, token, piece, { from: some });
      for (const { to, value } of incoming) ledger.flow(to, value);
      for (const { from, value } of outgoing) ledger.flow(from, -value);
      return incoming.length + outgoing.length;
    });
  }
}
