import { Option } from "commander";
import { type ChainClient, connectChain } from "../../chain/client.ts";
import { ChainMismatchError } from "../../chain/errors.ts";
import { type Network, networkOf } from "../../networks.ts";
import type { JobPayment } from "../../settlement/index.ts";
import { explained, UsageError } from "../exit/errors.ts";
import { integer } from "../options/options.ts";

/** `--rpc-timeout SECONDS`: how long one request may take. */
export function rpcTimeoutOption(): Option {
  return new Option("--rpc-timeout <seconds>", "how long the node may take to answer one request")
    .argParser(integer(1, 600))
    .default(20);
}

export type ConnectOptions = {
  readonly rpcUrl: string;
  readonly rpcTimeout: number;
  /** `--network`: refuses a node on another chain. */
  readonly network?: Network | undefined;
};

/**
 * Connects to the node of a command.
 * @throws UsageError if it is not on the chain that `--network` names; ChainUnavailableError if it does not answer.
 */
export async function connect({ rpcUrl, rpcTimeout, network }: ConnectOptions): Promise<ChainClient> {
  try {
    return await connectChain(rpcUrl, {
      ...(network === undefined ? {} : { expectedChainId: network.chainId }),
      transport: { timeout: rpcTimeout * 1000 },
    });
  } catch (error) {
    if (!(error instanceof ChainMismatchError)) throw error;
    throw new UsageError(error.shortMessage, explained(error));
  }
}

/**
 * Refuses a file without any payment for the node's chain: the wrong node or the wrong file was named.
 * @throws UsageError naming both chains.
 */
export function requireSomeOn(client: ChainClient, payments: readonly JobPayment[]): void {
  const [first] = payments;
  if (first === undefined || payments.some(({ authorization }) => authorization.chainId === client.chain.id)) return;
  throw new UsageError(
    `The node is on ${nameOf(client.chain.id)}, and the payments are for ${nameOf(first.authorization.chainId)}; nothing was sent.`,
    { hint: "Point --rpc-url (or RPC_URL) at a node of the payments' chain." },
  );
}

function nameOf(chainId: number): string {
  const title = networkOf(chainId)?.title;
  return title === undefined ? `chain ${chainId}` : `${title} (chain ${chainId})`;
}
