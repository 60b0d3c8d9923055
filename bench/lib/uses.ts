import { type Hex, numberToHex } from "viem";
import { z } from "zod";
import { networks } from "../../src/networks.ts";
import { newestBlock } from "./chainGas.ts";
import type { RemoteChain } from "./remoteChain.ts";

const AUTHORIZATION_USED = "0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5";
/** Blocks whose logs are read at once: a full block has some hundreds of logs. */
const AT_ONCE = 5;
const logs = z.array(z.object({ topics: z.array(z.string()) }));

/** The nonces that were used on chain after a block, in lower case. The signer of each was charged. */
export async function usesSince(chain: RemoteChain, after: number): Promise<ReadonlySet<string>> {
  const used = new Set<string>();
  const newest = await newestBlock(chain);
  for (let from = after + 1; from <= newest; from += AT_ONCE) {
    const range = { fromBlock: numberToHex(from), toBlock: numberToHex(Math.min(newest, from + AT_ONCE - 1)) };
    const query = { ...range, address: networks.baseSepolia.usdc.address, topics: [AUTHORIZATION_USED satisfies Hex] };
    for (const { topics } of logs.parse(await chain.request("eth_getLogs", [query]))) {
      const nonce = topics[2];
      if (nonce !== undefined) used.add(nonce.toLowerCase());
    }
  }
  return used;
}
