import { z } from "zod";
import { deriveAccounts, type LocalChainAccount, TEST_MNEMONIC } from "../../src/local/accounts.ts";
import type { Request } from "../../src/local/node.ts";
import { type Measured, startMeasured } from "./processes.ts";

const ACCOUNTS = 60;
/** How many of them have ether from the chain. */
const KNOWN_ACCOUNTS = 20;

/** The local chain, in its own process whose processor time is measured. */
export type RemoteChain = Measured & {
  readonly rpcUrl: string;
  readonly request: Request;
  /** Accounts with ether; the chain signs for the first twenty. */
  readonly accounts: readonly LocalChainAccount[];
};

/**
 * @param blockTimeSeconds 0: every transaction is mined at once.
 * @param preconfirmMs The length of the steps in which blocks are preconfirmed; 0 for none.
 */
export async function startRemoteChain(blockTimeSeconds: number, preconfirmMs = 0): Promise<RemoteChain> {
  const measured = startMeasured("bench/processes/chain.ts", [String(blockTimeSeconds), String(preconfirmMs)]);
  const rpcUrl = await measured.firstLine();
  const request = rpcTo(rpcUrl);
  const accounts = deriveAccounts(TEST_MNEMONIC, ACCOUNTS);
  for (const { address } of accounts.slice(KNOWN_ACCOUNTS)) {
    await request("hardhat_setBalance", [address, "0x21e19e0c9bab2400000"]);
  }
  return { ...measured, rpcUrl, request, accounts };
}

const answer = z.union([
  z.object({ result: z.unknown() }).refine((value) => "result" in value),
  z.object({ error: z.object({ message: z.string() }) }),
]);

function rpcTo(rpcUrl: string): Request {
  return async (method, params = []) => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const post = () => fetch(rpcUrl, { method: "POST", headers: { "content-type": "application/json" }, body });
    // The chain may close a connection that was idle for long at the moment when it is used again.
    const response = await post().catch(post);
    const read = answer.parse(await response.json());
    if ("error" in read) throw new Error(`${method}: ${read.error.message}`);
    return read.result;
  };
}
