import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { judge, type Verdict } from "./oracle.ts";
import type { Life } from "./protocol.ts";
import { startFaultProxy } from "./proxy.ts";
import { scenarioOf } from "./scenario.ts";
import { assignmentOf, type Ground, openGround, trialOf } from "./trial.ts";
import type { RunningLife, WorkerPool } from "./workers.ts";
import { startWorld } from "./world.ts";

/** What happens to the first engine after it has handed out its `afterSends`-th transaction. */
export type Blow = { readonly how: "SIGKILL" | "SIGSTOP"; readonly afterSends: number };

export type DuelReport = {
  readonly verdict: Verdict;
  /** How many transactions the first engine had handed out when it was hit, and how many more came from it afterwards. */
  readonly sentBefore: number;
  readonly sentAfter: number;
  /** Whether the second engine handed out bytes that the first had signed. */
  readonly handedOn: boolean;
};

const PATIENCE_MS = 60_000;
/** What an engine that wakes up has to do something wrong, in milliseconds of the wall: a lease is 1,600. */
const AFTERWARDS_MS = 2_000;

/**
 * Two engines with one key on one journal, no fault but one: the first is killed, or stopped until the second has finished
 * everything and then continued. Each has a way of its own to the node, so that it is known who sent what.
 * @returns `locked` where the first was stopped in the middle of a transaction of SQLite, whose file nobody can use then.
 */
export async function duel(
  seed: number,
  blow: Blow,
  { ground, pool, journal }: { readonly ground: Ground; readonly pool: WorkerPool; readonly journal: string },
): Promise<DuelReport | "locked"> {
  const { rpcUrl } = ground.anvil;
  const scenario = await scenarioOf(seed, new Set());
  const opening = await openGround(ground, scenario);
  await pool.ready();
  const startedAtMs = Date.now();
  const common = { assignment: assignmentOf(scenario), journal, startedAtMs, skewMs: 0, kill: undefined };
  let sentBefore = 0;
  let hit: (() => void) | undefined;
  const struck = new Promise<void>((resolve) => {
    hit = resolve;
  });
  let first: RunningLife | undefined;
  const honest = { upstream: rpcUrl, seed, themes: new Set<never>(), isLying: () => false };
  const proxyOf = (onSend: (when: "before" | "after") => void) => startFaultProxy({ ...honest, onSend });
  const firstProxy = await proxyOf((when) => {
    if (when === "before") sentBefore += 1;
    if (when !== "after" || sentBefore !== blow.afterSends || first?.pid === undefined) return;
    process.kill(first.pid, blow.how);
    hit?.();
  });
  const secondProxy = await proxyOf(() => undefined);
  const world = startWorld(rpcUrl, scenario, startedAtMs);
  const startAt = (url: string, owner: string): Promise<RunningLife> => {
    const life: Life = { ...common, rpcUrl: url, owner };
    return pool.start(life);
  };
  try {
    first = await startAt(firstProxy.url, "first");
    await soon(struck, "the first engine sent nothing");
    if (blow.how === "SIGSTOP" && (await isLocked(journal))) return "locked";
    const atBlow = new Set(firstProxy.sent);
    const before = sentBefore;
    const second = await startAt(secondProxy.url, "second");
    const end = await soon(second.ended, "the second engine did not finish");
    if (end.kind !== "done") throw new Error(`the second engine ended: ${JSON.stringify(end)}`);
    if (blow.how === "SIGSTOP" && first.pid !== undefined) {
      process.kill(first.pid, "SIGCONT");
      await Promise.race([first.ended, delay(AFTERWARDS_MS)]);
      first.kill();
    }
    await first.ended;
    await delay(100);
    const sent = new Set([...firstProxy.sent, ...secondProxy.sent]);
    const run = { rpcUrl, journal, foreign: world.foreign, sent, admissions: end.admissions };
    await world.stop();
    return {
      verdict: await judge(trialOf(scenario, opening, run)),
      sentBefore: before,
      sentAfter: sentBefore - before,
      handedOn: [...secondProxy.sent].some((raw) => atBlow.has(raw)),
    };
  } finally {
    first?.kill();
    await world.stop();
    await firstProxy.close();
    await secondProxy.close();
  }
}

/** Whether a journal is a SQLite file that somebody is writing to. */
async function isLocked(journal: string): Promise<boolean> {
  if (journal.includes("://")) return false;
  // Until the signal has arrived.
  await delay(50);
  const database = new DatabaseSync(journal, { timeout: 200 });
  try {
    database.exec("begin immediate; rollback");
    return false;
  } catch {
    return true;
  } finally {
    database.close();
  }
}

async function soon<T>(event: Promise<T>, otherwise: string): Promise<T> {
  const timer = new AbortController();
  const late = delay(PATIENCE_MS, undefined, { signal: timer.signal }).then(
    () => Promise.reject(new Error(otherwise)),
    () => new Promise<never>(() => undefined),
  );
  return Promise.race([event, late]).finally(() => timer.abort());
}
