// `npm test` and `npm run test:long`: runs every Solidity and TypeScript test, several groups of files at once. `npm
// test` reduces randomised tests. Their settings are printed first, so that a failure can be repeated. With file names
// (and `--grep PATTERN`), only those run, in one process.
import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, sep } from "node:path";

/** Many tests wait for blocks, so twice as many groups as there are processors leave them idle at times. Each takes half a GB. */
const LANES = Math.min(9, 2 * availableParallelism() + 1);
/**
 * Folders, and how many of their files one process tests at the most. A file belongs to the first that holds it. Those that
 * take longest start first, so that the lanes end at about the same time. A process takes a second to start, so the quick
 * files are tested by few.
 */
const FOLDERS: readonly (readonly [string, number])[] = [
  ["test/src/settlement/engine", 6],
  ["test/scripts", 8],
  ["test/package", 5],
  ["test/e2e", 14],
  ["test/src/settlement", 10],
  ["test/src/keeper", 10],
  ["test/src/journal", 4],
  ["test", 35],
];
const root = join(import.meta.dirname, "..", "..");
const hardhat = join(root, "node_modules", "hardhat", "dist", "src", "cli.js");
const testFiles = join(import.meta.dirname, "testFiles.ts");
const SOLIDITY: Group = { name: "Solidity", command: [hardhat, "test", "solidity", "--no-compile"] };
/** How much processor time of groups is told already. */
let processorTold = 0;
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
  processorTold = processorSeconds();

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
  const worked = `${processorSeconds().toFixed(0)} s of processor time`;
  console.log(`\n${Math.round((Date.now() - startedAt) / 1000)} s, ${worked}`);
  console.log(`${sum("passing")} passed, ${sum("failing")} failed`);
  process.exitCode = broken.length === 0 && codeOf(build) === 0 ? 0 : 1;
}

/** What one process tests, and what Node runs for it. */
type Group = { readonly name: string; readonly command: readonly string[] };

/** The test files, by folder and in even pieces. */
function groups(): Group[] {
  const paths = globSync("test/**/*.test.ts", { cwd: root }).sort();
  const files = paths.map((path) => path.split(sep).join("/"));
  const folders = FOLDERS.map(([folder, most]) => ({ folder, most, files: [] as string[] }));
  for (const file of files) folders.find(({ folder }) => file.startsWith(`${folder}/`))?.files.push(file);
  const all = folders.flatMap(({ files, most }): Group[] => {
    const pieces = Math.ceil(files.length / most);
    const size = Math.ceil(files.length / pieces);
    return Array.from({ length: pieces }, (_, i) => {
      const piece = files.slice(i * size, (i + 1) * size);
      return { name: `${piece[0]} to ${piece.at(-1)}`, command: [testFiles, "--no-compile", ...piece] };
    });
  });
  return [...all, SOLIDITY];
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
      const processor = processorSeconds();
      const worked = `${(processor - processorTold).toFixed(0)} s of processor time`;
      processorTold = processor;
      process.stdout.write(`\n== ${name} (${Math.round((Date.now() - startedAt) / 1000)} s, ${worked})\n${output}`);
      resolve({ name, code: code ?? 1, output });
    });
  });
}

/** Processor time of all processes that this one has started and that have ended, with theirs. 0 where it is not known. */
function processorSeconds(): number {
  try {
    const fields = readFileSync("/proc/self/stat", "utf8").split(") ")[1]?.split(" ") ?? [];
    // `cutime` and `cstime` of proc(5), in hundredths of a second.
    return (Number(fields[13]) + Number(fields[14])) / 100;
  } catch {
    return 0;
  }
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
