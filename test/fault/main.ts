// node test/fault/main.ts --seed N [--runs N] [--lanes N]: fault-injection runs by hand, to repeat one or to make many.
// TRIBUTARY_FAULT_LOG=1 shows what the engine logs, TRIBUTARY_FAULT_KEEP=1 keeps the journals of failed runs.
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { replayCommand, runCampaign, summarise } from "./campaign.ts";
import { themesOf } from "./themes.ts";

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { seed: { type: "string" }, runs: { type: "string" }, lanes: { type: "string" } },
  });
  const firstSeed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  const runs = Number(values.runs ?? 1);
  const lanes = Math.min(runs, Number(values.lanes ?? 2 * availableParallelism()));
  console.log(`seeds ${firstSeed} to ${firstSeed + runs - 1}`);
  const reports = await runCampaign({
    firstSeed,
    runs,
    lanes,
    onReport: ({ seed, violations, tookMs, kills }) => {
      const themes = [...themesOf(seed)].join(" ");
      console.log(
        `${violations.length === 0 ? "ok  " : "BAD "} ${seed} ${tookMs} ms, ${kills.length} kills, ${themes}`,
      );
      for (const violation of violations) console.log(`       ${violation}`);
      if (violations.length > 0) console.log(`       again: ${replayCommand(seed)}`);
    },
  });
  console.log(summarise(reports));
  if (reports.some(({ violations }) => violations.length > 0)) process.exitCode = 1;
}

// The test runner loads every file of test/.
if (process.argv[1] === import.meta.filename) await main();
