import { ask } from "../chain/ask.ts";
import type { ChainClient } from "../chain/client.ts";
import { StoreError } from "./ports/errors.ts";
import type { Store } from "./ports/types.ts";

/** The chain that a journal is of and the one that a node is on, each by the hash of its first block. */
export type Binding = { readonly isSame: boolean; readonly journal: string; readonly node: string };

/**
 * Binds a journal to the first chain with this id that it is used on. An engine that took it to another one (a local chain
 * that began anew, for one) would wait for transactions that nobody knows.
 * @throws ChainUnavailableError where the node does not answer, StoreError where the journal cannot be written.
 */
export async function bindJournal(store: Store, client: ChainClient): Promise<Binding> {
  const { hash: node } = await ask("its first block", client.getBlock({ blockNumber: 0n }));
  const name = `genesis:${client.chain.id}`;
  const journal = await store.cursor(name);
  if (journal === undefined) await store.setCursor(name, node);
  return { isSame: journal === undefined || journal === node, journal: journal ?? node, node };
}

/**
 * {@link bindJournal}, for whoever cannot take another journal.
 * @throws StoreError where the journal is of another chain with this id.
 */
export async function requireSameChain(store: Store, client: ChainClient): Promise<void> {
  const { isSame, journal, node } = await bindJournal(store, client);
  if (isSame) return;
  throw new StoreError("invalid", `The journal is of another chain with the id ${client.chain.id}.`, {
    details: `It knows a chain that begins with block ${journal}; the node's begins with ${node}.`,
    hint: "Give this chain a journal of its own, or connect to the other one.",
  });
}
