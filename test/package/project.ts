import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";

export const root = join(import.meta.dirname, "..", "..");

export type Run = { readonly status: number | null; readonly output: string };

/** The fields of a package.json that these tests read. */
export type Manifest = {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, unknown>>;
};

export const manifest: Manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

let packing: Promise<string> | undefined;

/** Packs the checkout, which builds it, and returns the tarball's path: once, whichever of these files comes first. */
export function pack(): Promise<string> {
  packing ??= packInto(sharedFolder("tarball"));
  return packing;
}

/** A folder that lasts as long as this process, for what several files use. */
function sharedFolder(what: string): string {
  const folder = mkdtempSync(join(tmpdir(), `tributary ${what} `));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function packInto(folder: string): Promise<string> {
  const { status, output } = await npm(root, "pack", "--pack-destination", folder);
  if (status !== 0) throw new Error(`npm pack failed:\n${output}`);
  return join(folder, `tributary-${manifest.version}.tgz`);
}

/** What a project has beside the package and viem: nothing, or all optional peers and compilers. */
const BESIDE = {
  bare: [],
  full: [...Object.keys(manifest.peerDependencies), "solc", "solc-oldest", "typescript"],
} as const;
const installing = new Map<string, Promise<string>>();

/** Makes a new project with the packed package. All of a kind share what was installed for the first of them. */
export async function createProject(folder: string, kind: keyof typeof BESIDE): Promise<void> {
  const installed = installing.get(kind) ?? install(sharedFolder(kind), BESIDE[kind]);
  installing.set(kind, installed);
  writeProject(folder);
  symlinkSync(await installed, join(folder, "node_modules"), "junction");
}

/**
 * Installs the tarball without the network, and returns the path of node_modules. Its dependencies, and `extra` packages,
 * are links to those of the checkout; the package itself is unpacked and resolved by npm as anywhere.
 */
async function install(folder: string, extra: readonly string[]): Promise<string> {
  const linked = [...Object.keys(manifest.dependencies), "viem", ...extra];
  const links = linked.map((name) => [name, `file:${join(root, "node_modules", name)}`]);
  writeProject(folder, Object.fromEntries([["tributary", `file:${await pack()}`], ...links]));
  const { status, output } = await npm(folder, "install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund");
  if (status !== 0) throw new Error(`npm install failed:\n${output}`);
  return join(folder, "node_modules");
}

/** Writes the package.json of a new ESM project. */
export function writeProject(folder: string, dependencies: Readonly<Record<string, string>> = {}): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module", dependencies }));
}

/**
 * Checks the types of a project's *.ts files, those of all declarations that they load included.
 * @param options Compiler options of a project that wants others.
 */
export function typeCheck(folder: string, options: Readonly<Record<string, unknown>> = {}): Promise<Run> {
  const compilerOptions = {
    target: "ES2022",
    lib: ["ES2022", "DOM"],
    module: "NodeNext",
    strict: true,
    noEmit: true,
    types: ["node"],
    typeRoots: [join(root, "node_modules", "@types")],
    skipLibCheck: false,
    ...options,
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "lib", "tsc.js");
  // Several threads check what they share several times.
  return runNode(folder, [tsc, "-p", ".", "--singleThreaded"]);
}

/** The TypeScript blocks of a page of the repository, in order. */
export function snippetsOf(page: string): string[] {
  return [...readFileSync(join(root, page), "utf8").matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code ?? "");
}

/** Runs a file of a project without blocking this process, which may be serving what the program talks to. */
export function runNode(
  folder: string,
  args: readonly string[],
  { node = process.execPath, env = {} }: { readonly node?: string; readonly env?: Record<string, string> } = {},
): Promise<Run> {
  return run(folder, node, args, env);
}

/** The npm that runs these tests, else the one on the PATH. */
export function npm(folder: string, ...args: readonly string[]): Promise<Run> {
  const cli = process.env.npm_execpath;
  return cli === undefined ? run(folder, "npm", args, {}) : run(folder, process.execPath, [cli, ...args], {});
}

function run(folder: string, program: string, args: readonly string[], env: Record<string, string>): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: folder, env: { ...environment(), ...env } });
    let output = "";
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.once("error", reject).once("close", (status) => resolve({ status, output }));
  });
}

/** The oldest Node on this machine that the package supports; this process's if there is no other. */
export function oldestNode(): { readonly path: string; readonly version: string; readonly major: number } {
  const { node } = process.versions;
  let oldest = { path: process.execPath, version: node, major: Number(node.split(".")[0]) };
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(folder, "node");
    if (!existsSync(path)) continue;
    const version = (spawnSync(path, ["--version"], { encoding: "utf8" }).stdout ?? "").trim().slice(1);
    const major = Number(version.split(".")[0]);
    if (major >= 20 && major < oldest.major) oldest = { path, version, major };
  }
  return oldest;
}

/**
 * The environment of a shell outside npm scripts: no settings of the npm that runs these tests, and its own Node first.
 */
function environment(): Record<string, string | undefined> {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|TRIBUTARY_|HH_|HARDHAT_|NODE_ENV|NODE_OPTIONS|PRIVATE_KEY|MNEMONIC|RPC_URL)/.test(name),
  );
  const path = [dirname(process.execPath), process.env.PATH ?? ""].join(delimiter);
  return { ...Object.fromEntries(inherited), PATH: path };
}
