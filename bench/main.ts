// `npm run bench`: measures Tributary and its alternatives, writes the figures and reports which bars hold.
import { Command, InvalidArgumentError } from "commander";
import { capacity } from "./capacity.ts";
import { dataFee } from "./dataFee.ts";
import { demo } from "./demo.ts";
import { facilitator } from "./facilitator.ts";
import { gas } from "./gas.ts";
import { job } from "./job.ts";
import { journal } from "./journal.ts";
import { machineSection, measureMachine, measureRecovery } from "./lib/machine.ts";
import { updateQuotes, writeResults } from "./lib/output.ts";
import { type Context, missedBy, resultsOf, round, type Section, type Subject } from "./lib/results.ts";
import { money } from "./money.ts";
import { overload } from "./overload.ts";
import { planner } from "./planner.ts";
import { preconfirmed } from "./preconfirmed.ts";
import { verification } from "./verification.ts";
import { vouchers } from "./vouchers.ts";

const SUBJECTS: readonly Subject[] = [
  gas,
  dataFee,
  money,
  planner,
  job,
  capacity,
  overload,
  facilitator,
  preconfirmed,
  demo,
  verification,
  vouchers,
  journal,
];

type Options = {
  readonly only?: readonly string[];
  readonly full?: boolean;
  readonly seed: number;
  readonly out?: string;
};

await new Command("bench")
  .description(
    "Measure gas, money, throughput and latency, compared with the alternatives. Exit code 1: a bar does not hold.",
  )
  .option("--only <subjects...>", `some of: ${SUBJECTS.map(({ name }) => name).join(", ")}; written only with --out`)
  .option("--full", "the long form: larger jobs, longer loads")
  .option("--seed <number>", "seed of keys, nonces and amounts", readSeed, 1)
  .option("--out <folder>", "where to write instead of bench/")
  .action(run)
  .parseAsync();

async function run({ only, full = false, seed, out }: Options, command: Command): Promise<void> {
  const unknown = only?.filter((name) => !SUBJECTS.some((subject) => subject.name === name)) ?? [];
  if (unknown.length > 0) command.error(`error: there is no subject ${unknown.join(", ")}`, { exitCode: 2 });
  const wanted = SUBJECTS.filter(({ name }) => only === undefined || isWanted(name, only));
  const startedMs = performance.now();
  const measuredAt = new Date().toISOString();
  const machine = await measureMachine(seed);
  const machineSeconds = secondsSince(startedMs);
  console.error(
    `u is ${round(machine.uMs)} ms; the chain alone mines ${round(machine.chainPerSecond)} payments a second`,
  );
  const sections: Section[] = [];
  const figures: Record<string, number> = {};
  for (const subject of wanted) {
    const section = await measure(subject, { full, seed, machine, figures });
    sections.push(section);
    Object.assign(figures, section.figures);
  }
  sections.unshift(machineSection(machine, await measureRecovery(seed), machineSeconds));
  const seconds = Math.round(secondsSince(startedMs));
  const form = only !== undefined ? "part" : full ? "full" : "quick";
  const results = resultsOf(sections, { form, seed, measuredAt, seconds });
  if (only === undefined || out !== undefined) writeResults(results, out);
  if (only === undefined && out === undefined) updateQuotes(results);
  const missed = results.bars.flatMap((bar) => missedBy(bar) ?? []);
  for (const text of missed) console.error(`does not hold: ${text}`);
  console.error(`${results.bars.length - missed.length} of ${results.bars.length} bars hold; ${seconds} s`);
  process.exitCode = missed.length === 0 ? 0 : 1;
}

function isWanted(name: string, only: readonly string[]): boolean {
  if (only.includes(name)) return true;
  return SUBJECTS.some((subject) => only.includes(subject.name) && subject.needs?.includes(name) === true);
}

async function measure(subject: Subject, context: Omit<Context, "tell">): Promise<Section> {
  const startedMs = performance.now();
  const tell = (text: string): void => console.error(`${subject.name}: ${text}`);
  const { bars, tables, charts, figures } = await subject.run({ ...context, tell });
  const seconds = secondsSince(startedMs);
  tell(`${seconds} s`);
  for (const bar of bars) console.error(`  ${bar.holds ? "holds " : "MISSED"} ${bar.name}: ${bar.value} ${bar.unit}`);
  return { subject: subject.name, title: subject.title, seconds, bars, tables, charts, figures };
}

/** With one decimal. */
function secondsSince(startedMs: number): number {
  return Math.round((performance.now() - startedMs) / 100) / 10;
}

function readSeed(text: string): number {
  const seed = Number(text);
  if (!Number.isSafeInteger(seed) || seed < 0) throw new InvalidArgumentError("Give a whole number.");
  return seed;
}
