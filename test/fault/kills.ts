import type { Journal } from "../../src/journal/ports/journal.ts";
import { randomOf } from "./random.ts";
import type { Theme } from "./themes.ts";

/** A moment at which an engine's process dies. */
export type Kill =
  | JournalKill
  /** When its `occurrence`-th transaction reaches the node, or has just been passed on and not been answered. */
  | { readonly at: "send"; readonly occurrence: number; readonly when: "before" | "after" };

/**
 * Around the `occurrence`-th call of a journal method (from 1, counted from the start of the process), of `any`, or of
 * any that is a `write`.
 */
export type JournalKill = {
  readonly at: "journal";
  readonly method: string;
  readonly occurrence: number;
  readonly when: KillWhen;
};

/** `during`: the call was made, and its outcome is unknown. */
export type KillWhen = "before" | "during" | "after";

/** The writes of an engine, a keeper and a channel storage, except those at intervals (leases, picks of the queue). */
export const WRITES: ReadonlySet<string> = new Set<keyof Journal>([
  ...(["changeChannels", "noteChannelReceivers", "storeKeeperCall", "removeKeeperCall", "setCursor"] as const),
  "noteChannelEvents",
  ...(["accept", "transition", "storeBatch", "storeAttempt", "markBroadcast", "concludeBatch"] as const),
]);

const METHODS = {
  accept: 3,
  pick: 3,
  putBack: 1,
  transition: 3,
  acquireLease: 2,
  storeBatch: 6,
  storeAttempt: 4,
  markBroadcast: 6,
  concludeBatch: 6,
  lastTxNonce: 2,
  batches: 1,
  withIds: 2,
  list: 1,
  strike: 1,
  any: 6,
};

/** The calls that every process makes if it has something to send. */
const SURE = { accept: 3, pick: 3, acquireLease: 2, storeBatch: 6, markBroadcast: 6, concludeBatch: 6, any: 6 };

/** The kills of a run, one for each process that it goes through. The first one is certain to happen. */
export function killsOf(seed: number, themes: ReadonlySet<Theme>): Kill[] {
  if (!themes.has("kill")) return [];
  const random = randomOf(seed, "kills");
  return Array.from({ length: random.between(1, 4) }, (_, life): Kill => {
    if (life === 0) {
      if (random.chance(0.2)) return { at: "send", occurrence: 1, when: random.pick(["before", "after"]) };
      const method = random.weighted(SURE);
      const occurrence = method === "any" ? random.between(1, 20) : 1;
      return { at: "journal", method, occurrence, when: random.pick(["before", "during", "after"]) };
    }
    if (random.chance(0.2))
      return { at: "send", occurrence: random.between(1, 3), when: random.pick(["before", "after"]) };
    const method = random.weighted(METHODS);
    const occurrence = method === "any" ? random.between(1, 90) : random.between(1, 2);
    return { at: "journal", method, occurrence, when: random.pick(["before", "during", "after"]) };
  });
}

/** The journal of a process that kills itself at `kill`; `report` is called just before. */
export function mortal(journal: Journal, kill: Kill | undefined, report: () => void): Journal {
  if (kill?.at !== "journal") return journal;
  let calls = 0;
  const die = (): void => {
    report();
    process.kill(process.pid, "SIGKILL");
  };
  return new Proxy(journal, {
    get(target, name: keyof Journal) {
      const method = target[name];
      if (name === "close" || name === "onChange") return method;
      return async (...parameters: unknown[]) => {
        const counts = kill.method === "write" ? isWrite(name, parameters) : ["any", name].includes(kill.method);
        if (counts) calls += 1;
        const dies = counts && calls === kill.occurrence;
        if (dies && kill.when === "before") die();
        const answer = (method as (...all: unknown[]) => Promise<unknown>)(...parameters);
        if (dies && kill.when === "during") setTimeout(die, 0);
        const said = await answer;
        if (dies && kill.when === "after") die();
        return said;
      };
    },
  });
}

/** Whether a call changes the journal. It does not if it gets nothing to change. */
export function isWrite(name: string, [first]: readonly unknown[]): boolean {
  return WRITES.has(name) && !(Array.isArray(first) && first.length === 0);
}
