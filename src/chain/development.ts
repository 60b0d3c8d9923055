import type { ChainClient } from "./client.ts";

/**
 * Whether a node on this machine says that it is a development node (Hardhat, EDR or anvil), whose chain begins anew
 * with each start. A node that does not say what it is does not count as one.
 */
export async function isDevelopmentChain(client: Pick<ChainClient, "request">, rpcUrl: string): Promise<boolean> {
  if (!isLoopbackUrl(rpcUrl)) return false;
  try {
    const version = await client.request({ method: "web3_clientVersion" });
    return /^(hardhat|edr|anvil)/i.test(version);
  } catch {
    return false;
  }
}

/** Whether a node says that it makes blocks only for transactions. Only development nodes know the question. */
export async function minesOnDemand(client: Pick<ChainClient, "request">): Promise<boolean> {
  const ask = client.request as (question: { readonly method: string; readonly params: [] }) => Promise<unknown>;
  for (const method of ["hardhat_getAutomine", "anvil_getAutomine"]) {
    try {
      return (await ask({ method, params: [] })) === true;
    } catch {
      // This node does not know the method.
    }
  }
  return false;
}

/** Whether `url` points to this machine. */
export function isLoopbackUrl(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.[0-9]{1,3}){3}$/.test(hostname);
}
