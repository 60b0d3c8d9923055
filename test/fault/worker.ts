// The process of an engine. It takes one life after another until it is killed.
import { flushCompileCache } from "node:module";
import { encodeFunctionData, parseAbi, TimeoutError } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { connectChain } from "../../src/chain/client.ts";
import { openJournal } from "../../src/journal/index.ts";
import type { Journal } from "../../src/journal/ports/journal.ts";
import { isPreconfirmed } from "../../src/journal/ports/payments.ts";
import type { Logger } from "../../src/logger.ts";
import { networks } from "../../src/networks.ts";
import { startEngine } from "../../src/settlement/engine/start.ts";
import type { SettlementEngine } from "../../src/settlement/engine/types.ts";
import { post } from "../helpers/post.ts";
import { tuned } from "../helpers/tuning.ts";
import { mortal } from "./kills.ts";
import type { AdmissionSeen, Assignment, FromWorker, Life, ToWorker } from "./protocol.ts";
import { engineClock, GENESIS_SECONDS } from "./time.ts";

const { chainId: CHAIN_ID, usdc } = networks.baseSepolia;
// All times are the run's, in which blocks take two seconds.
const AGAIN_MS = 1_000;
/** How long it waits for an answer from the node. */
const TIMEOUT_MS = 10_000;
/** How long viem waits, in real time: longer than the limit above. */
const NEVER_MS = 2 ** 31 - 1;

type Present = ReturnType<typeof engineClock> & {
  readonly elapsedMs: () => number;
  /** Whether no more trouble is to come. */
  readonly mayEnd: () => boolean;
};

function tuningOf({ retryRefused, maxItems, isPreconfirmed }: Assignment) {
  return tuned({
    preconfirmations: isPreconfirmed,
    // Something is given up as lost only when it is deeper than any reorg of a run.
    lossConfirmations: 8,
    lingerMs: 400,
    maxLingerMs: 4_000,
    rebroadcastAfterMs: 4_000,
    replaceAfterMs: 10_000,
    leaseTtlMs: 40_000,
    pollMs: 1_600,
    limits: { maxItems: maxItems },
    fullBatch: maxItems,
    retryRefused,
    retryRefusedAfterMs: 3_000,
    strikeMs: 20_000,
  });
}

async function live(
  life: Life,
  clock: Present,
  onStart: (engine: SettlementEngine) => void,
): Promise<readonly AdmissionSeen[]> {
  const logger = loggerOf(life, clock);
  const insist = <T>(work: () => Promise<T>) => insistently(work, clock);
  const client = await insist(() =>
    connectChain(life.rpcUrl, {
      expectedChainId: CHAIN_ID,
      transport: { timeout: NEVER_MS, fetchFn: impatientFetch(clock), retryCount: 1, retryDelay: 10 },
    }),
  );
  const journal = await openJournal(life.journal);
  const account = privateKeyToAccount(life.assignment.senderKey);
  const engine = await insist(() =>
    startEngine(client, {
      journal: mortal(journal, life.kill, () => tell({ kind: "dying" })),
      senders: [account],
      ...tuningOf(life.assignment),
      clock,
      logger,
      owner: life.owner,
      webSocketUrl: life.webSocketUrl,
    }),
  );
  onStart(engine);
  const admissions = await feed(engine, life, clock, (paymentId) => {
    if (life.assignment.isPreconfirmed) takeSuccess({ engine, journal, clock }, paymentId).catch(() => undefined);
  });
  while (!clock.mayEnd() || !(await isFinished(journal))) await clock.sleep(AGAIN_MS);
  await engine.close();
  await journal.close();
  return admissions;
}

/** Submits everything at its time, again and again until the engine has answered. */
async function feed(
  engine: SettlementEngine,
  life: Life,
  clock: Present,
  onAccept: (paymentId: number) => void,
): Promise<AdmissionSeen[]> {
  const until = (atMs: number) => clock.sleep(Math.max(0, atMs - clock.elapsedMs()));
  const payments = life.assignment.feed.map(async ({ atMs, authorization }, index): Promise<AdmissionSeen> => {
    await until(atMs);
    const [admission] = await insistently(() => engine.accept([{ authorization, source: String(index) }]), clock);
    if (admission?.status === "refused") {
      return { index, status: "refused", reason: admission.reason, message: admission.message };
    }
    if (admission !== undefined) onAccept(admission.row.id);
    return { index, status: "accepted" };
  });
  const calls = life.assignment.calls.map(async ({ atMs, key, to, value }) => {
    await until(atMs);
    const data = encodeFunctionData({ abi: transferAbi, functionName: "transfer", args: [to, value] });
    const deadlineSeconds = BigInt(GENESIS_SECONDS + 90);
    const call = { key, to: usdc.address, data, gas: 100_000n, deadlineSeconds };
    await insistently(() => engine.acceptCall(call), clock);
  });
  const [seen] = await Promise.all([Promise.all(payments), Promise.all(calls)]);
  return seen;
}

/** Waits for the success of a payment, and takes it unless somebody has. */
async function takeSuccess(
  { engine, journal, clock }: { engine: SettlementEngine; journal: Journal; clock: Present },
  paymentId: number,
): Promise<void> {
  for (;;) {
    const row = await engine.outcome(paymentId, { enough: "preconfirmed" });
    if (row.state !== "settled" && !isPreconfirmed(row)) return;
    const on = isPreconfirmed(row) ? row.evidence : undefined;
    if (await journal.consume(paymentId, clock.now(), { bringer: undefined, again: false, on })) {
      return tell({ kind: "success", paymentId });
    }
    if (row.state === "settled") return;
    // It was taken back meanwhile.
    await clock.sleep(AGAIN_MS);
  }
}

const transferAbi = parseAbi(["function transfer(address to, uint256 value) returns (bool)"]);

/** Whether nothing is open, every settlement is final and every expiry proved. */
async function isFinished(journal: Journal): Promise<boolean> {
  const counts = await journal.count(CHAIN_ID);
  if ((counts.queued ?? 0) + (counts.batched ?? 0) + (counts.submitted ?? 0) > 0) return false;
  if ((await journal.batches({ chainId: CHAIN_ID, states: ["open", "mined"], limit: 1 })).length > 0) return false;
  const expired = await journal.list({ chainId: CHAIN_ID, states: ["expired"], limit: 1_000 });
  return expired.every(
    ({ evidence, work }) => work.kind === "call" || (evidence.kind === "deadline" && evidence.final),
  );
}

async function insistently<T>(work: () => Promise<T>, clock: Present): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Error && RETRIED.has(error.name)) await clock.sleep(AGAIN_MS);
      else throw error;
    }
  }
}

/** What a caller tries again: the node did not answer, or another engine is alive. */
const RETRIED: ReadonlySet<string> = new Set(["ChainUnavailableError", "SenderHeldError"]);

/** Gives up on an answer by the run's clock. */
function impatientFetch(clock: Present): typeof fetch {
  return async (input, init) => {
    const [late, answered] = [new AbortController(), new AbortController()];
    const over = clock.sleep(TIMEOUT_MS, answered.signal).then(() => late.abort());
    try {
      const { status, contentType, text } = await post(String(input), String(init?.body), late.signal);
      return new Response(text, { status, headers: { "content-type": contentType ?? "text/plain" } });
    } catch (error) {
      if (late.signal.aborted) throw new TimeoutError({ body: {}, url: String(input) });
      throw error;
    } finally {
      answered.abort();
      await over;
    }
  };
}

function loggerOf({ owner }: Life, clock: Present): Logger {
  const say =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      if (process.env.TRIBUTARY_FAULT_LOG !== "1") return;
      const text = Object.entries(fields).map(([name, value]) => `${name}=${String(value)}`);
      console.error(`${clock.elapsedMs()} ${owner} ${level} ${message} ${text.join(" ")}`);
    };
  return { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") };
}

function tell(message: FromWorker): void {
  process.send?.(message);
}

// The test runner loads every file of test/, so this one works only as a child process.
if (process.send !== undefined && process.argv[1] === import.meta.filename) {
  process.on("disconnect", () => process.exit());
  let hear: (time: ToWorker & { kind: "time" }) => void = () => undefined;
  let engine: SettlementEngine | undefined;
  process.on("message", (message: ToWorker) => {
    if (message.kind === "time") {
      hear(message);
      // Lets everything run first that this wakes.
      setImmediate(() => {
        const isInStep = engine?.cutOff().periodMs !== undefined;
        tell({ kind: "heard", isInStep, takenBack: engine?.preconfirmations()?.takenBack ?? 0 });
      });
      return;
    }
    const { life } = message;
    const clock = engineClock(life.elapsedMs, life.skewMs);
    let [elapsedMs, mayEnd] = [life.elapsedMs, false];
    hear = (time) => {
      ({ elapsedMs, mayEnd } = time);
      clock.setElapsed(elapsedMs);
    };
    engine = undefined;
    const present = { ...clock, elapsedMs: () => elapsedMs, mayEnd: () => mayEnd };
    const onStart = (started: SettlementEngine): void => {
      engine = started;
    };
    live(life, present, onStart).then(
      (admissions) => tell({ kind: "done", admissions }),
      (error: unknown) => tell({ kind: "failed", error: error instanceof Error ? String(error.stack) : String(error) }),
    );
  });
  // Keeps the compiled sources for later processes, since this one is usually killed.
  flushCompileCache();
  tell({ kind: "ready" });
}
