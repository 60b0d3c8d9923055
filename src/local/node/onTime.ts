import { type Clock, elapsedMs, systemClock } from "../../clock.ts";
import type { DevelopmentNode } from "./port.ts";

/**
 * A node whose blocks come on time, as those of a chain do: each is due one interval after the one before was due, and
 * one whose time is over when that one is made is left out. EDR's own interval begins when a block is made, so each block
 * delays all that follow by the time that making it takes.
 *
 * It takes `evm_setIntervalMining` with a number of milliseconds. A range of them is left to EDR.
 */
export function onTime(node: DevelopmentNode, clock: Clock = systemClock): DevelopmentNode {
  let ending = new AbortController();

  async function mine(everyMs: number, { signal }: AbortController): Promise<void> {
    for (let dueMs = elapsedMs(clock) + everyMs; !signal.aborted; ) {
      await clock.sleep(Math.max(0, dueMs - elapsedMs(clock)), signal);
      if (signal.aborted) return;
      // It fails only when the chain ends.
      await node.request("evm_mine").catch(() => undefined);
      dueMs += everyMs * (1 + Math.floor(Math.max(0, elapsedMs(clock) - dueMs) / everyMs));
    }
  }

  function begin(everyMs: number): void {
    ending.abort();
    ending = new AbortController();
    if (everyMs > 0) void mine(everyMs, ending);
  }

  return {
    ...node,
    request: async (method, params = []) => {
      const [interval] = params;
      if (method === "hardhat_reset") begin(0);
      if (method !== "evm_setIntervalMining") return node.request(method, params);
      const isOurs = Number.isSafeInteger(interval) && Number(interval) > 0;
      // Its own interval ends. What is not one is refused.
      const answer = await node.request(method, isOurs ? [0] : params);
      begin(isOurs ? Number(interval) : 0);
      return answer;
    },
    close: () => {
      begin(0);
      return node.close();
    },
  };
}
