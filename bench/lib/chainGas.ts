import { numberToHex } from "viem";
import { z } from "zod";
import type { RemoteChain } from "./remoteChain.ts";

const block = z.object({ transactions: z.array(z.object({ hash: z.string(), from: z.string() })) });
const receipt = z.object({ gasUsed: z.string() });

/** Transactions of a sender that were mined after a block, and the gas that they used. */
export async function gasSince(chain: RemoteChain, sender: string, after: number) {
  const newest = await newestBlock(chain);
  let transactions = 0;
  let gas = 0;
  for (let number = after + 1; number <= newest; number += 1) {
    const found = block.parse(await chain.request("eth_getBlockByNumber", [numberToHex(number), true]));
    const own = found.transactions.filter(({ from }) => from.toLowerCase() === sender.toLowerCase());
    transactions += own.length;
    for (const { hash } of own) {
      gas += Number(receipt.parse(await chain.request("eth_getTransactionReceipt", [hash])).gasUsed);
    }
  }
  return { transactions, gas };
}

export async function newestBlock(chain: RemoteChain): Promise<number> {
  return Number(z.string().parse(await chain.request("eth_blockNumber")));
}
