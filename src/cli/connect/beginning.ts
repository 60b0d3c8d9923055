import { setTimeout as pause } from "node:timers/promises";
import type { ChainClient } from "../../chain/client.ts";
import { bindJournal } from "../../journal/binding.ts";
import type { Journal } from "../../journal/index.ts";

const LOOK_MS = 2_000;

/**
 * Resolves once the chain is no longer the journal's. A restarted local chain begins anew, and an engine on it would
 * wait for transactions that are gone. Never resolves after `signal` has aborted.
 */
export async function untilBegunAnew(journal: Journal, client: ChainClient, signal: AbortSignal): Promise<void> {
  for (;;) {
    await pause(LOOK_MS, undefined, { signal, ref: false }).catch(() => undefined);
    if (signal.aborted) return new Promise(() => undefined);
    // A node that does not answer may be restarting.
    const bound = await bindJournal(journal, client).catch(() => undefined);
    if (bound?.isSame === false && !signal.aborted) return;
  }
}
