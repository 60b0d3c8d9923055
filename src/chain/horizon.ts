import type { ChainClient } from "./client.ts";

/** The newest blocks that are safe and final. `finalTimestamp` is in Unix seconds. */
export type Horizon = { readonly safe: bigint; readonly final: bigint; readonly finalTimestamp: bigint };

/** The newest safe and final block. Undefined if the node knows no final block (yet), or does not answer. */
export async function readHorizon(client: ChainClient): Promise<Horizon | undefined> {
  const [safe, final] = await Promise.all(
    (["safe", "finalized"] as const).map((blockTag) => client.getBlock({ blockTag }).catch(() => undefined)),
  );
  if (final === undefined) return undefined;
  return { safe: safe?.number ?? final.number, final: final.number, finalTimestamp: final.timestamp };
}
