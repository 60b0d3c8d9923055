import {
  type Chain,
  type Client,
  createPublicClient,
  defineChain,
  fallback,
  type HttpTransportConfig,
  http,
  type PublicClient,
  type Transport,
} from "viem";
import { describeFailure } from "../failures.ts";
import { networkOf } from "../networks.ts";
import { ChainMismatchError, ChainUnavailableError } from "./errors.ts";

/** A viem public client that knows its chain. */
export type ChainClient = PublicClient<Transport, Chain>;

/** How to connect to a node. */
export type ConnectOptions = {
  /** Refuses any other chain. */
  readonly expectedChainId?: number;
  /** Settings of viem's `http` transport. Default: batches of 100 calls, 20 s for an answer, two retries. */
  readonly transport?: HttpTransportConfig;
  /** How often viem asks again when it waits for something, in milliseconds. Default 500. */
  readonly pollingIntervalMs?: number;
};

/**
 * Connects to a node and asks it which chain it is.
 * @param rpcUrls One URL, or several of which the later ones stand in for the earlier.
 * @throws ChainUnavailableError if no node answers, ChainMismatchError if it is another chain than the expected one.
 */
export async function connectChain(
  rpcUrls: string | readonly string[],
  options: ConnectOptions = {},
): Promise<ChainClient> {
  const urls = typeof rpcUrls === "string" ? [rpcUrls] : rpcUrls;
  // All calls of one tick share an HTTP request.
  const settings: HttpTransportConfig = {
    batch: { batchSize: 100 },
    timeout: 20_000,
    retryCount: 2,
    ...options.transport,
  };
  const transports = urls.map((url) => http(url, settings));
  const transport = transports.length === 1 && transports[0] !== undefined ? transports[0] : fallback(transports);
  const chainId = await askChainId(createPublicClient({ transport }), urls);
  if (options.expectedChainId !== undefined && options.expectedChainId !== chainId) {
    throw new ChainMismatchError(`The node is on chain ${chainId}, not ${options.expectedChainId}.`, {
      hint: "Connect to a node of the chain that the authorizations are for.",
    });
  }
  return createPublicClient({
    chain: defineChain({
      id: chainId,
      name: networkOf(chainId)?.title ?? `chain ${chainId}`,
      nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
      rpcUrls: { default: { http: urls } },
    }),
    transport,
    pollingInterval: options.pollingIntervalMs ?? 500,
    // Facts are read anew each time: a stale answer is a wrong one.
    cacheTime: 0,
  });
}

async function askChainId(
  client: Client & { getChainId: () => Promise<number> },
  urls: readonly string[],
): Promise<number> {
  try {
    return await client.getChainId();
  } catch (error) {
    throw new ChainUnavailableError(`No node answers at ${urls.map(withoutSecrets).join(", ")}.`, {
      details: describeFailure(error),
      hint: "Start the node, or give the URL of one that runs.",
    });
  }
}

/** A URL without user, password, path and query: provider keys live there. */
export function withoutSecrets(url: string): string {
  try {
    return new URL(url).origin;
  } catch {
    return "(no URL)";
  }
}
