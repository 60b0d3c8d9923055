import type { ChainClient } from "../../chain/client.ts";
import { requireSameChain } from "../../journal/binding.ts";
import { createSettlementEngine } from "./engine.ts";
import type { KeyWait } from "./takeKeys.ts";
import type { EngineOptions, SettlementEngine } from "./types.ts";

/** What an engine works with on one chain. The engine closes none of it. */
export type StartEngineOptions = Omit<EngineOptions, "chain"> & {
  /** Further nodes: signed transactions are sent to them too, and they are asked to confirm what one node says. */
  readonly nodes?: readonly ChainClient[] | undefined;
  /** A node that announces new blocks (`ws:` or `wss:`). Without one, `client` is asked when a block is due. */
  readonly webSocketUrl?: string | undefined;
  /**
   * Called once if another engine holds a key. `waitMs` is the longest time until it is known whether that engine is
   * alive.
   */
  readonly onHeld?: ((wait: KeyWait) => void) | undefined;
  /** Ends the wait for a key. */
  readonly signal?: AbortSignal | undefined;
};

/**
 * Starts an engine on a journal of this chain and no other: takes the keys' leases, takes up whatever the journal holds
 * open, and settles what is submitted. If another engine holds a key, it watches the lease and takes the key once the
 * lease has not been renewed for its whole life. It gives up as soon as the lease is renewed, because then its owner is
 * alive.
 * @throws JournalError if the journal cannot be used or is of another chain with this id; SenderHeldError if another
 * engine sends from a key, or `signal` aborts while it waits; ChainUnavailableError if the node does not answer;
 * EnginePolicyError or PlanLimitsError if the policy is out of its range.
 */
export async function startEngine(client: ChainClient, options: StartEngineOptions): Promise<SettlementEngine> {
  const { nodes, webSocketUrl, onHeld, signal, ...rest } = options;
  await requireSameChain(rest.journal, client);
  const chain = { client, webSocketUrl, ...(nodes === undefined ? {} : { nodes }) };
  return createSettlementEngine({ ...rest, chain }, { ...(onHeld === undefined ? {} : { onWait: onHeld }), signal });
}
