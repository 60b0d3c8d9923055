import { createSettlementEngine, type EngineOptions, type SettlementEngine } from "./engine.ts";
import type { Patience } from "./takeKeys.ts";

/**
 * {@link createSettlementEngine}, patient where another engine holds a key: it watches the lease, and takes the key once that was
 * not renewed for its whole life. It gives up as soon as the lease is renewed, because then its owner is alive.
 * @throws SenderHeldError where another engine is sending from a key, or `signal` aborts while it waits.
 */
export function startEngine(options: EngineOptions, patience: Patience = {}): Promise<SettlementEngine> {
  return createSettlementEngine(options, patience);
}
