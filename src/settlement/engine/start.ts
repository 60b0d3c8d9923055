import { requireSameChain } from "../../journal/binding.ts";
import { createSettlementEngine, type EngineOptions, type SettlementEngine } from "./engine.ts";
import type { Patience } from "./takeKeys.ts";

/**
 * {@link createSettlementEngine} on a journal of this chain and no other, patient where another engine holds a key: it watches
 * the lease, and takes the key once that was not renewed for its whole life. It gives up as soon as the lease is renewed,
 * because then its owner is alive.
 * @throws JournalError where the journal is of another chain with this id; SenderHeldError where another engine is sending from a
 * key, or `signal` aborts while it waits.
 */
export async function startEngine(options: EngineOptions, patience: Patience = {}): Promise<SettlementEngine> {
  await requireSameChain(options.journal, options.chain.client);
  return createSettlementEngine(options, patience);
}
