import { type Address, type Hex, isAddressEqual, parseAbiItem } from "viem";
import type { ChainClient } from "../../src/chain/client.ts";
import { readBalances } from "../../src/chain/facts/balances.ts";

/** What the chain shows of a sale. Nothing comes from those who took part in it. */
export type Settled = {
  /** The number of the facilitator's transactions of any kind. */
  readonly transactions: number;
  readonly gasUsed: bigint;
  /** The transaction in which each authorization was used, by `payer:nonce` in lower case. */
  readonly uses: ReadonlyMap<string, Hex>;
};

const authorizationUsed = parseAbiItem("event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)");

/** Reads every block since `fromBlock`. */
export async function readSettled(
  client: ChainClient,
  { token, sender, fromBlock }: { readonly token: Address; readonly sender: Address; readonly fromBlock: bigint },
): Promise<Settled> {
  const toBlock = await client.getBlockNumber();
  let transactions = 0;
  let gasUsed = 0n;
  for (let blockNumber = fromBlock; blockNumber <= toBlock; blockNumber += 1n) {
    const block = await client.getBlock({ blockNumber, includeTransactions: true });
    for (const { hash, from } of block.transactions) {
      if (!isAddressEqual(from, sender)) continue;
      transactions += 1;
      gasUsed += (await client.getTransactionReceipt({ hash })).gasUsed;
    }
  }
  const logs = await client.getLogs({ address: token, event: authorizationUsed, fromBlock, toBlock, strict: true });
  const uses = logs.map(({ args, transactionHash }) => {
    return [`${args.authorizer}:${args.nonce}`.toLowerCase(), transactionHash] as const;
  });
  return { transactions, gasUsed, uses: new Map(uses) };
}

/** Each account's balance of the token at the newest block. */
export async function readHoldings(
  client: ChainClient,
  token: Address,
  accounts: readonly Address[],
): Promise<Map<Address, bigint>> {
  const amounts = await readBalances(client, token, accounts);
  return new Map(accounts.map((account, index) => [account, amounts[index] ?? 0n]));
}
