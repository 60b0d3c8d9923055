// Measures how long a newcomer waits: `git clone` and `npm run demo` in one fresh clone of this checkout's last commit,
// against `npm ci` alone in another. One `npm ci` before them fills npm's cache, so the network does not count. Run it by
// hand, on a quiet machine, and write the figures into docs/performance.md.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";

const root = join(import.meta.dirname, "..", "..");
const folder = mkdtempSync(join(tmpdir(), "tributary start "));
/** What a shell of its own has: no settings of an npm around this, and none of this checkout's programs. */
const env = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_)/.test(name))),
  PATH: (process.env.PATH ?? "")
    .split(":")
    .filter((place) => !place.startsWith(root))
    .join(":"),
  npm_config_prefer_offline: "true",
};

function seconds(cwd: string, command: string, ...args: readonly string[]): number {
  const before = performance.now();
  const { status } = spawnSync(command, args, { cwd, env, stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}`);
  return (performance.now() - before) / 1000;
}

try {
  const clone = (name: string) => seconds(folder, "git", "clone", "--quiet", root, name);
  const install = (name: string): number => {
    clone(name);
    return seconds(join(folder, name), "npm", "ci");
  };
  install("cached");
  const start = clone("shown") + seconds(join(folder, "shown"), "npm", "run", "demo");
  console.log(`npm ci alone: ${install("installed").toFixed(0)} s`);
  console.log(`from git clone to the end of npm run demo: ${start.toFixed(0)} s`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
