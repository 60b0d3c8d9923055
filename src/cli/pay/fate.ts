import type { Hex } from "viem";
import { type ChainClient, connectChain } from "../../chain/client.ts";
import { readUsed } from "../../chain/facts/facts.ts";
import { readHorizon } from "../../chain/horizon.ts";
import { findNonceUses } from "../../chain/logs/uses.ts";
import { TributaryError } from "../../errors.ts";
import type { OpenAuthorization } from "./openPayments.ts";

/** What the chain says about a signed payment. */
export type Fate =
  /** Its nonce is used. The transaction is given if it is in the last 10,000 blocks. */
  | { readonly status: "paid"; readonly transaction: Hex | undefined }
  /** It can never settle: at a final block it had expired unused, or its payer had cancelled it. */
  | { readonly status: "void" }
  /** It may still settle. */
  | { readonly status: "open" }
  /** No node of its chain answered. */
  | { readonly status: "unknown" };

/** Asks the node at `rpcUrl`. If none answers, or it is on another chain, the fate is unknown. */
export async function fateOf(payment: OpenAuthorization, rpcUrl: string): Promise<Fate> {
  const { chainId } = payment.authorization;
  const client = await connectChain(rpcUrl).catch(() => undefined);
  if (client?.chain.id !== chainId) return { status: "unknown" };
  try {
    return await askFate(client, payment);
  } catch (error) {
    if (error instanceof TributaryError) return { status: "unknown" };
    throw error;
  }
}

async function askFate(client: ChainClient, { authorization }: OpenAuthorization): Promise<Fate> {
  const { token, validBefore } = authorization;
  const horizon = await readHorizon(client);
  const isUsed = async (at?: { blockNumber: bigint }) => (await readUsed(client, token, [authorization], at)).size > 0;
  if (await isUsed()) {
    const [use] = (await findNonceUses(client, [authorization]).catch(() => new Map())).values();
    if (use === undefined || use.status === "settled") return { status: "paid", transaction: use?.transactionHash };
    return { status: horizon !== undefined && use.blockNumber <= horizon.final ? "void" : "open" };
  }
  // Once a final block has reached `validBefore`, no later block can settle it.
  if (horizon === undefined || horizon.finalTimestamp < validBefore) return { status: "open" };
  return { status: (await isUsed({ blockNumber: horizon.final })) ? "open" : "void" };
}
