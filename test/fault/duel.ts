import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { judge, type Verdict } from "./oracle.ts";
import type { Life } from "./protocol.ts";
import { startFaultProxy } from "./proxy.ts";
import { scenarioOf } from "./scenario.ts";
import { startRunClock } from "./time.ts";
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
  /** Whether the second engine broadcast bytes that the first had signed. */
  readonly handedOn: boolean;
};

/** How long an engine that wakes up has to do something wrong, in the run's milliseconds. A lease lasts 40,000. */
const AFTERWARDS_MS = 50_000;

/**
 * Two engines with one key on one journal, no fault but one: the first is killed, or stopped until the second has
 * finished everything and then continued. Each has its own connection to the node, so that it is known who sent what.
 * @returns `locked` if the first was stopped in the middle of a SQLite transaction: then nobody can use the file.
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
  const clock = startRunClock();
  const common = { assignment: assignmentOf(scenario), journal, skewMs: 0, kill: undefined, webSocketUrl: undefined };
  let sentBefore = 0;
  let hit: (() => void) | undefined;
  const struck = new Promise<void>((resolve) => {
    hit = resolve;
  });
  let first: RunningLife | undefined;
  const honest = { upstream: rpcUrl, seed, themes: new Set<never>(), clock, isLying: () => false };
  const proxyOf = (onSend: (when: "before" | "after") => void) => startFaultProxy({ ...honest, onSend });
  const firstProxy = await proxyOf((when) => {
    if (when === "before") sentBefore += 1;
    if (when !== "after" || sentBefore !== blow.afterSends || first?.pid === undefined) return;
    process.kill(first.pid, blow.how);
    hit?.();
  });
  const secondProxy = await proxyOf(() => undefined);
  const world = startWorld(rpcUrl, scenario, clock);
  const startAt = (url: string, owner: string): Promise<RunningLife> => {
    const life: Life = { ...common, rpcUrl: url, owner, elapsedMs: clock.elapsedMs() };
    return pool.start(life);
  };
  try {
    first = await startAt(firstProxy.url, "first");
    const { tell } = first;
    const goOn = (elapsedMs: number) => tell(elapsedMs, true);
    const stopped = clock.follow((elapsedMs) => Promise.race([goOn(elapsedMs), struck]));
    await soon(struck, first.ended, "the first engine sent nothing");
    stopped.leave();
    if (blow.how === "SIGSTOP" && (await isLocked(journal))) return "locked";
    const atBlow = new Set(firstProxy.sent);
    const before = sentBefore;
    const second = await startAt(secondProxy.url, "second");
    clock.follow((elapsedMs) => second.tell(elapsedMs, true));
    const end = await second.ended;
    if (end.kind !== "done") throw new Error(`the second engine ended: ${JSON.stringify(end)}`);
    if (blow.how === "SIGSTOP" && first.pid !== undefined) {
      process.kill(first.pid, "SIGCONT");
      clock.follow(goOn);
      await Promise.race([first.ended, clock.sleep(AFTERWARDS_MS)]);
      first.kill();
    }
    await first.ended;
    await delay(100);
    const sent = new Set([...firstProxy.sent, ...secondProxy.sent]);
    const receipts = new Set([...firstProxy.receipts, ...secondProxy.receipts]);
    const run = { rpcUrl, journal, foreign: world.foreign, sent, receipts, admissions: end.admissions };
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
    clock.stop();
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

/** What happens while an engine lives. */
async function soon(event: Promise<void>, ended: Promise<unknown>, otherwise: string): Promise<void> {
  await Promise.race([event, ended.then(() => Promise.reject(new Error(otherwise)))]);
}
