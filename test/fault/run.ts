import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Anvil } from "../helpers/anvil.ts";
import { ANNOUNCER_FAULTS, startAnnouncer } from "./announcer.ts";
import { createHeadFaults, HEAD_FAULTS } from "./heads.ts";
import { type Kill, killsOf } from "./kills.ts";
import { judge, type Trial, type Verdict } from "./oracle.ts";
import type { AdmissionSeen, Life } from "./protocol.ts";
import { startFaultProxy } from "./proxy.ts";
import { randomOf } from "./random.ts";
import { askNode } from "./rpc.ts";
import { type Scenario, scenarioOf } from "./scenario.ts";
import { createStriking, type Striking } from "./striking.ts";
import { certainTheme, faultsOf, type Theme, themesOf } from "./themes.ts";
import { startRunClock } from "./time.ts";
import { assignmentOf, type Ground, openGround, trialOf } from "./trial.ts";
import type { WorkerPool } from "./workers.ts";
import { sender, startWorld, type World } from "./world.ts";

/** How one seeded run went. */
export type RunReport = {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly verdict: Verdict | undefined;
  readonly payments: number;
  /** Where its processes were killed. */
  readonly kills: readonly string[];
  /** How often each fault happened, by name. */
  readonly faults: ReadonlyMap<string, number>;
  readonly tookMs: number;
};

/** A run that is not done this long after the node has become honest is stuck. Milliseconds of the run's time. */
const PATIENCE_MS = 600_000;
/** So many transactions are handed out to a lying node, unless that takes so many times as long as planned. */
const HEARD_SENDS = 4;
const LONGEST_LIE = 2;
/** Until a preconfirmation was taken back, no block comes before an engine has looked so often. */
const HELD_LOOKS = 60;

export type RunOptions = {
  /** Other kinds of trouble than the seed's own. */
  readonly themes?: ReadonlySet<Theme>;
  /** Called with what the oracle judged, before it is deleted. */
  readonly inspect?: (trial: Trial) => Promise<void>;
};

/** Runs one seed from its first submission to the oracle's verdict. */
export async function runSeed(
  seed: number,
  ground: Ground,
  pool: WorkerPool,
  { themes = themesOf(seed), inspect }: RunOptions = {},
): Promise<RunReport> {
  const { anvil } = ground;
  const began = Date.now();
  const scenario = await scenarioOf(seed, themes);
  const folder = await mkdtemp(join(tmpdir(), "tributary-fault-"));
  const journal = join(folder, "journal.db");
  let lived: Lived | undefined;
  let verdict: Verdict | undefined;
  const violations: string[] = [];
  try {
    const opening = await openGround(ground, scenario);
    lived = await live(seed, scenario, { anvil, pool, journal });
    violations.push(...lived.problems);
    // Lost transactions may still turn up; they must have no effect.
    for (const raw of lived.sent) await askNode(anvil.rpcUrl, "eth_sendRawTransaction", [raw]);
    await anvil.mine(2);
    const trial = trialOf(scenario, opening, { rpcUrl: anvil.rpcUrl, journal, ...lived });
    verdict = await judge(trial);
    violations.push(...verdict.violations);
    await inspect?.(trial);
  } catch (error) {
    violations.push(`the run broke off: ${error instanceof Error ? error.stack : String(error)}`);
  } finally {
    if (violations.length === 0 || process.env.TRIBUTARY_FAULT_KEEP !== "1") {
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    } else violations.push(`the journal is kept: ${journal}`);
  }
  return {
    seed,
    violations,
    verdict,
    payments: scenario.feed.length + scenario.calls.length,
    kills: lived?.killed ?? [],
    faults: lived?.faults ?? new Map(),
    tookMs: Date.now() - began,
  };
}

type Lived = {
  readonly admissions: readonly AdmissionSeen[];
  readonly problems: readonly string[];
  readonly killed: readonly string[];
  readonly faults: ReadonlyMap<string, number>;
  readonly foreign: ReadonlySet<string>;
  readonly sent: ReadonlySet<`0x${string}`>;
  readonly receipts: ReadonlySet<string>;
};

/** Runs engines one after another, each until it is killed, until one is done. */
async function live(
  seed: number,
  scenario: Scenario,
  { anvil, pool, journal }: { readonly anvil: Anvil; readonly pool: WorkerPool; readonly journal: string },
): Promise<Lived> {
  await pool.ready();
  const clock = startRunClock();
  const certain = certainTheme(seed);
  const assignment = assignmentOf(scenario);
  const kills = killsOf(seed, scenario.themes);
  const killed: string[] = [];
  const problems: string[] = [];
  /** The payments whose success somebody was given. */
  const rewarded = new Set<number>();
  let sends = 0;
  let sentInAll = 0;
  let isInStep: () => boolean = () => false;
  let onSend: (when: "before" | "after") => void = () => undefined;
  let world: World | undefined;
  // Longer if the engine started slowly: lies that nobody hears prove nothing.
  const isLying = (): boolean => clock.elapsedMs() < scenario.healedAtMs * (sentInAll < HEARD_SENDS ? LONGEST_LIE : 1);
  const inStepCounts = new Map<string, number>();
  const strikingOf = <Fault extends string>(theme: Theme, faults: readonly Fault[]): Striking<Fault> =>
    createStriking({
      ...{ faults, isLying, isInStep: () => isInStep(), counts: inStepCounts },
      isOwed: theme === certain && scenario.themes.has(theme),
      random: randomOf(seed, theme),
    });
  const announcer = scenario.themes.has("failing-subscription")
    ? await startAnnouncer({ seed, clock, striking: strikingOf("failing-subscription", ANNOUNCER_FAULTS) })
    : undefined;
  const counted: ReadonlyMap<string, number>[] = [inStepCounts];
  const happened = (theme: Theme): boolean =>
    theme === "skew" ||
    theme === "kill" ||
    faultsOf(theme).every((fault) => counted.some((counts) => (counts.get(fault) ?? 0) > 0));
  const owesTakeBack = (): boolean => certain === "taken-back" && scenario.themes.has(certain) && !happened(certain);
  const proxy = await startFaultProxy({
    upstream: anvil.rpcUrl,
    seed,
    themes: scenario.themes,
    clock,
    ...(scenario.themes.has(certain) ? { certain } : {}),
    ...(scenario.themes.has("wrong-heads")
      ? {
          heads: createHeadFaults({
            ...{ seed, elapsedMs: clock.elapsedMs, striking: strikingOf("wrong-heads", HEAD_FAULTS) },
          }),
        }
      : {}),
    ...(scenario.themes.has("taken-back")
      ? { preconfirming: { sender, isActive: () => isLying() || owesTakeBack() } }
      : {}),
    isLying,
    onSend: (when) => {
      if (when === "before") sentInAll += 1;
      else world?.noteSend();
      onSend(when);
    },
    onReceipt: (blockNumber) => world?.noteReceipt(blockNumber),
  });
  world = startWorld(anvil.rpcUrl, scenario, clock, {
    isInStep: () => isInStep(),
    isHeld: () => owesTakeBack() && sentInAll > 0 && proxy.earlyLooks() < HELD_LOOKS,
    ...(announcer === undefined ? {} : { onBlock: announcer.announce }),
  });
  counted.push(proxy.counts, world.counts);
  const random = randomOf(seed, "lives");
  const deadlineMs = scenario.healedAtMs * LONGEST_LIE + PATIENCE_MS;
  let admissions: readonly AdmissionSeen[] = [];
  let skewed = 0;
  try {
    for (let lives = 0; ; lives += 1) {
      const kill = kills[lives];
      const skewMs = scenario.themes.has("skew") ? random.pick([-1, 1]) * random.between(1, 8_000) : 0;
      if (skewMs !== 0) skewed += 1;
      const owner = random.chance(0.5) ? "engine" : `engine ${lives}`;
      const life: Life = {
        assignment,
        rpcUrl: proxy.url,
        webSocketUrl: announcer?.url,
        journal,
        elapsedMs: clock.elapsedMs(),
        skewMs,
        owner,
        kill,
      };
      const running = await pool.start(life, (paymentId) => {
        if (rewarded.has(paymentId)) problems.push(`payment ${paymentId} had two successes`);
        rewarded.add(paymentId);
      });
      sends = 0;
      isInStep = running.isInStep;
      onSend = (when) => {
        if (when === "before") sends += 1;
        if (kill?.at === "send" && sends === kill.occurrence && kill.when === when) running.kill();
      };
      const over = new AbortController();
      const late = clock.sleep(Math.max(0, deadlineMs - clock.elapsedMs()), over.signal).then(() => "late" as const);
      const hung = clock.hung.then(() => "hung" as const);
      const { leave } = clock.follow((nowMs) => {
        if (running.takenBack() > 0) inStepCounts.set("taken-back", running.takenBack());
        return running.tell(nowMs, !scenario.themes.has(certain) || happened(certain));
      });
      const end = await Promise.race([running.ended, late, hung]);
      leave();
      over.abort();
      if (end === "late" || end === "hung") {
        running.kill();
        await running.ended;
        const patience = `not done ${PATIENCE_MS / 1000} s after the node became honest`;
        problems.push(end === "late" ? patience : "the engine's process does not answer any more");
        break;
      }
      if (end.kind === "done") {
        admissions = end.admissions;
        break;
      }
      if (end.kind === "failed") {
        problems.push(`the engine failed: ${end.error}`);
        break;
      }
      killed.push(nameOf(kill));
    }
  } finally {
    await world.stop();
    await proxy.close();
    await announcer?.close();
  }
  const faults = new Map(counted.flatMap((counts) => [...counts]));
  if (skewed > 0) faults.set("skew", skewed);
  if (killed.length > 0) faults.set("kill", killed.length);
  return {
    admissions,
    problems,
    killed,
    faults,
    foreign: world.foreign,
    sent: proxy.sent,
    receipts: proxy.receipts,
  };
}

function nameOf(kill: Kill | undefined): string {
  if (kill === undefined) return "unknown";
  return kill.at === "send" ? `${kill.when} send` : `${kill.when} ${kill.method}`;
}
