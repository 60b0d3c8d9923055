// `npm test` and `npm run test:long`: runs every Solidity and TypeScript test, several groups of files at once. `npm
// test` reduces randomised tests. Their settings are printed first, so that a failure can be repeated. With file names
// (and `--grep PATTERN`), only those run, in one process.
import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { globSync } from "node:fs";
import { dirname, join, sep } from "node:path";

/** One more than two cores can keep busy, because many tests wait for blocks. */
const LANES = 3;
/** Folders whose tests take longest, longest first. They start first, so that the lanes end at about the same time. */
const LONGEST = [
  "test/e2e",
  "test/e2e/channels",
  "test/src/keeper",
  "test/src/settlement/engine",
  "test/package",
  "test/src/journal/database",
];
/** The most files that one process tests. */
const MOST_FILES = 10;
const root = join(import.meta.dirname, "..", "..");
const hardhat = join(root, "node_modules", "hardhat", "dist", "src", "cli.js");
const testFiles = join(import.meta.dirname, "testFiles.ts");
const SOLIDITY: Group = { name: "Solidity", command: [hardhat, "test", "solidity", "--no-compile"] };
const args = process.argv.slice(2);
const long = args.includes("--long");
const chosen = args.filter((arg) => arg !== "--long");
const seed = process.env.TRIBUTARY_SEED ?? String(randomInt(2 ** 31));
const env = {
  ...process.env,
  TRIBUTARY_SEED: seed,
  // Hundreds of processes load the same sources. All but the first find them compiled.
  NODE_COMPILE_CACHE: join(root, "node_modules", ".cache", "node-compile"),
  ...(long ? { TRIBUTARY_LONG: "1" } : {}),
};

console.log(
  long
    ? "randomised tests: whole, 2,000 runs of a property and 10,000 of a Solidity fuzz test unless they say otherwise"
    : "randomised tests: reduced to 100 runs of a property and 256 of a Solidity fuzz test (npm run test:long runs all)",
);
console.log(`seed: ${seed} (TRIBUTARY_SEED=${seed} repeats it)`);

if (chosen.length > 0) {
  process.exitCode = codeOf(spawnSync(process.execPath, [testFiles, ...chosen], { cwd: root, stdio: "inherit", env }));
} else {
  await runAll();
}

async function runAll(): Promise<void> {
  const startedAt = Date.now();
  // The build runs first and alone, so that the artifacts do not change under the groups that run side by side.
  const build = spawnSync(process.execPath, [hardhat, "build"], { cwd: root, encoding: "utf8", env });
  if (codeOf(build) !== 0) process.stdout.write(`${build.stdout}${build.stderr}`);

  const results: { name: string; code: number; output: string }[] = [];
  const queue = groups();
  await Promise.all(
    Array.from({ length: LANES }, async () => {
      for (let group = queue.shift(); group !== undefined; group = queue.shift()) results.push(await runGroup(group));
    }),
  );

  const sum = (word: string) => results.reduce((total, { output }) => total + countOf(output, word), 0);
  const broken = results.filter(({ code }) => code !== 0);
  // Failures are repeated at the end, so that nobody misses them.
  for (const { name, output } of broken) console.log(`\n== failed: ${name}\n${failuresOf(output)}`);
  console.log(`\n${Math.round((Date.now() - startedAt) / 1000)} s`);
  console.log(`${sum("passing")} passed, ${sum("failing")} failed`);
  process.exitCode = broken.length === 0 && codeOf(build) === 0 ? 0 : 1;
}

/** What one process tests, and what Node runs for it. */
type Group = { readonly name: string; readonly command: readonly string[] };

/** The test files by folder. A folder of many files is cut into pieces. */
function groups(): Group[] {
  const byFolder = new Map<string, string[]>();
  for (const path of globSync("test/**/*.test.ts", { cwd: root }).sort()) {
    const file = path.split(sep).join("/");
    const folder = dirname(file);
    byFolder.set(folder, [...(byFolder.get(folder) ?? []), file]);
  }
  const all = [...byFolder].flatMap(([name, files]): Group[] => {
    const pieces = Math.ceil(files.length / MOST_FILES);
    // The pieces are even, so that the last is not much smaller.
    const size = Math.ceil(files.length / pieces);
    return Array.from({ length: pieces }, (_, i) => {
      return {
        name: pieces === 1 ? name : `${name} ${i + 1}/${pieces}`,
        command: [testFiles, "--no-compile", ...files.slice(i * size, (i + 1) * size)],
      };
    });
  });
  const rank = ({ name }: Group) => {
    const index = LONGEST.indexOf(name.split(" ")[0] ?? name);
    return index >= 0 ? index : name.startsWith("test/scripts") ? LONGEST.length : LONGEST.length + 1;
  };
  return [...all, SOLIDITY].sort((a, b) => rank(a) - rank(b));
}

/** Runs one group. Its output is printed when it is done, so that the lanes' outputs do not mix. */
function runGroup({ name, command }: Group): Promise<{ name: string; code: number; output: string }> {
  return new Promise((resolve) => {
    const startedAt = Date.now();
    // Ends a group that left something running. It measures nothing: a busy machine may take many times as long.
    const timeout = long ? 36_000_000 : 5_400_000;
    const child = spawn(process.execPath, command, { cwd: root, env, timeout });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    child.on("close", (code) => {
      process.stdout.write(`\n== ${name} (${Math.round((Date.now() - startedAt) / 1000)} s)\n${output}`);
      resolve({ name, code: code ?? 1, output });
    });
  });
}

/** What a group said about its failures, or its last lines if it did not get that far. */
function failuresOf(output: string): string {
  const start = output.search(/^ *\d+ failing$/m);
  return (start < 0 ? output.slice(-2_000) : output.slice(start, start + 8_000)).trimEnd();
}

function countOf(output: string, word: string): number {
  // The last such line is the total.
  const found = [...output.matchAll(new RegExp(`^ *(\\d+) ${word}`, "gm"))].at(-1);
  return found === undefined ? 0 : Number(found[1]);
}

function codeOf(result: Pick<SpawnSyncReturns<unknown>, "status"> | undefined): number {
  return result?.status ?? 1;
}
