import { authorizationId } from "../../../authorization/identity.ts";
import { ask } from "../../../chain/ask.ts";
import type { ChainClient } from "../../../chain/client.ts";
import { readFacts } from "../../../chain/facts/facts.ts";
import { findNonceUses, LOOKBACK_BLOCKS, type NonceUse } from "../../../chain/logs/uses.ts";
import type { AuthorizationRow } from "../../../journal/ports/payments.ts";
import { groupBy } from "../../../lists.ts";
import { layersOf } from "./layers.ts";

/** Blocks before the acceptance that are searched too: nodes behind one address differ by a few. */
const SLACK_BLOCKS = 32n;
/** The longest search, as a multiple of the usual one, however old a payment is. */
const LONGEST_IN_LOOKBACKS = 50n;

/**
 * Finds the transactions that used the nonces of these payments, by the payment's id. The search goes back to where
 * they were accepted, as their nonces were free then. Variants of one identity are looked up separately, because a
 * transaction settles at most one of them.
 */
export async function lookUpUses(
  client: ChainClient,
  rows: readonly AuthorizationRow[],
): Promise<Map<number, NonceUse>> {
  const found = new Map<number, NonceUse>();
  const [first] = rows;
  if (first === undefined) return found;
  const newest = await ask("its newest block", client.getBlockNumber());
  const oldest = rows.reduce((a, { acceptedBlock }) => (acceptedBlock < a ? acceptedBlock : a), first.acceptedBlock);
  const age = (newest > oldest ? newest - oldest : 0n) + SLACK_BLOCKS;
  const longest = LOOKBACK_BLOCKS * LONGEST_IN_LOOKBACKS;
  const lookbackBlocks = age < longest ? age : longest;
  for (const layer of layersOf(rows, ({ identity }) => identity)) {
    const uses = await findNonceUses(
      client,
      layer.map(({ work }) => work.authorization),
      { lookbackBlocks },
    );
    for (const row of layer) {
      const use = uses.get(authorizationId(row.work.authorization));
      if (use !== undefined) found.set(row.id, use);
    }
  }
  return found;
}

/**
 * Which of these payments' nonces are used or cancelled at the newest block, by identity, and which block that is.
 * @throws ChainMismatchError if the token no longer answers.
 */
export async function readUsedIdentities(
  client: ChainClient,
  rows: readonly AuthorizationRow[],
): Promise<{ readonly used: ReadonlySet<string>; readonly blockNumber: bigint }> {
  const byToken = groupBy(rows, ({ work }) => work.authorization.token.toLowerCase());
  const used = new Set<string>();
  let blockNumber: bigint | undefined;
  for (const group of byToken.values()) {
    const authorizations = group.map(({ work }) => work.authorization);
    const [first] = authorizations;
    if (first === undefined) continue;
    const facts = await readFacts(client, first.token, authorizations);
    for (const authorization of authorizations) {
      const id = authorizationId(authorization);
      if (facts.used.has(id)) used.add(id);
    }
    // Take the oldest of the answers, because all of them hold at least at that block.
    if (blockNumber === undefined || facts.head.number < blockNumber) blockNumber = facts.head.number;
  }
  return { used, blockNumber: blockNumber ?? 0n };
}
