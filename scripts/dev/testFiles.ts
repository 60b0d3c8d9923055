// Runs test files by Hardhat's test task: `node scripts/dev/testFiles.ts FILE… [--grep PATTERN] [--no-compile]`. Hardhat's
// command line is left out. It has esbuild make a module with a source map of every file, those of packages included; Node
// takes the types out by itself, in half the time.
import { parseArgs } from "node:util";
import hre from "hardhat";

/** What still runs so long after the last test never ends, on however slow a machine. */
const LEFT_BEHIND_MS = 600_000;

// The task by itself lets one pass.
process.on("unhandledRejection", (reason) => {
  console.error("Unhandled promise rejection:", reason);
  process.exit(1);
});

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { grep: { type: "string" }, "no-compile": { type: "boolean", default: false } },
});
const { grep, "no-compile": noCompile } = values;
const chosen = grep === undefined ? {} : { grep };
const result = await hre.tasks.getTask("test").run({ testFiles: positionals, noCompile, ...chosen });
if (!result.success) process.exitCode = 1;
// What a failed test left running says no more than the failure does.
const lastMs = result.success ? LEFT_BEHIND_MS : 0;
setTimeout(() => {
  console.error("A test left something running:", process.getActiveResourcesInfo());
  process.exit(1);
}, lastMs).unref();
