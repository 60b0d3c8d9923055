import { type Address, getAddress } from "viem";
import type { ChainClient } from "../../../chain/client.ts";
import { type BlockRange, inPieces, readTransfers } from "../../../chain/logs/tokenLogs.ts";
import { settlementLensArtifact } from "../../../contracts/SettlementLens.ts";
import { chunks } from "../../../lists.ts";
import type { Balances, Ledger } from "./ledger.ts";

const ACCOUNTS_PER_CALL = 800;
const PARTIES_PER_QUERY = 100;

/**
 * Token balances before and after a block range. Undefined if the node does not have the state of both ends: full nodes
 * keep the state of the last blocks only.
 */
export async function readBalances(
  client: ChainClient,
  token: Address,
  { from, to }: BlockRange,
  accounts: readonly Address[],
): Promise<Balances | undefined> {
  const balances = new Map<Address, { before: bigint; after: bigint }>();
  try {
    for (const some of chunks(accounts, ACCOUNTS_PER_CALL)) {
      const [before, after] = await Promise.all([
        from === 0n ? some.map(() => 0n) : balancesAt(client, token, some, from - 1n),
        balancesAt(client, token, some, to),
      ]);
      for (const [index, account] of some.entries()) {
        balances.set(getAddress(account), { before: before[index] ?? 0n, after: after[index] ?? 0n });
      }
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

async function balancesAt(
  client: ChainClient,
  token: Address,
  accounts: readonly Address[],
  blockNumber: bigint,
): Promise<readonly bigint[]> {
  const [, balances] = await client.readContract({
    abi: settlementLensArtifact.abi,
    code: settlementLensArtifact.bytecode,
    functionName: "accounts",
    args: [token, accounts],
    blockNumber,
  });
  return balances;
}
