import { ask } from "../chain/ask.ts";
import type { ChainClient } from "../chain/client.ts";
import { JournalError } from "./ports/errors.ts";
import type { NoteJournal } from "./ports/notes.ts";

/** The chain that a journal belongs to and the one that a node is on, each by the hash of its first block. */
export type Binding = { readonly isSame: boolean; readonly recorded: string; readonly node: string };

/**
 * Binds a journal to the first chain with this id that it is used on. On another chain (such as a local chain that
 * began anew), an engine would wait for transactions that nobody knows.
 * @throws ChainUnavailableError if the node does not answer, JournalError if the journal cannot be written.
 */
export async function bindJournal(journal: NoteJournal, client: ChainClient): Promise<Binding> {
  const { hash: node } = await ask("its first block", client.getBlock({ blockNumber: 0n }));
  const name = `genesis:${client.chain.id}`;
  const recorded = await journal.cursor(name);
  if (recorded === undefined) await journal.setCursor(name, node);
  return { isSame: recorded === undefined || recorded === node, recorded: recorded ?? node, node };
}

/**
 * {@link bindJournal}, for callers that cannot take another journal.
 * @throws JournalError if the journal belongs to another chain with this id.
 */
export async function requireSameChain(journal: NoteJournal, client: ChainClient): Promise<void> {
  const { isSame, recorded, node } = await bindJournal(journal, client);
  if (isSame) return;
  throw new JournalError("invalid", `The journal belongs to another chain with the id ${client.chain.id}.`, {
    details: `It knows a chain that begins with block ${recorded}; the node's begins with ${node}.`,
    hint: "Use another journal for this chain, or connect to the other one.",
  });
}
