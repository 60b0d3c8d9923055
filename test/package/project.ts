import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";

export const root = join(import.meta.dirname, "..", "..");

export type Run = { readonly status: number | null; readonly output: string };

/** A package.json as far as these tests read it. */
export type Manifest = {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, unknown>>;
};

export const manifest: Manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** Packs the checkout, which builds it, and returns the tarball's path. */
export function pack(folder: string): string {
  const { status, output } = npm(root, "pack", "--pack-destination", folder);
  if (status !== 0) throw new Error(`npm pack failed:\n${output}`);
  return join(folder, `tributary-${manifest.version}.tgz`);
}

/**
 * Installs the tarball into a new project without the network. Its dependencies, and `extra` packages, are links to
 * those of the checkout; the package itself is unpacked and resolved by npm as anywhere.
 */
export function createProject(folder: string, tarball: string, extra: readonly string[]): void {
  mkdirSync(folder, { recursive: true });
  const linked = [...Object.keys(manifest.dependencies), ...extra];
  const links = linked.map((name) => [name, `file:${join(root, "node_modules", name)}`]);
  const dependencies = Object.fromEntries([["tributary", `file:${tarball}`], ...links]);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module", dependencies }));
  const { status, output } = npm(folder, "install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund");
  if (status !== 0) throw new Error(`npm install failed:\n${output}`);
}

/** Runs a file of a project, without holding up this process, which may be serving what the program talks to. */
export function runNode(
  folder: string,
  args: readonly string[],
  { node = process.execPath, env = {} }: { readonly node?: string; readonly env?: Record<string, string> } = {},
): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(node, args, { cwd: folder, env: { ...environment(), ...env } });
    let output = "";
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.once("error", reject).once("close", (status) => resolve({ status, output }));
  });
}

export function npm(folder: string, ...args: readonly string[]): Run {
  const cli = process.env.npm_execpath;
  const options = { cwd: folder, encoding: "utf8", env: environment() } as const;
  return toRun(
    cli === undefined ? spawnSync("npm", args, options) : spawnSync(process.execPath, [cli, ...args], options),
  );
}

/** The oldest Node on this machine that the package supports; this process's where there is no other. */
export function oldestNode(): { readonly path: string; readonly major: number } {
  let oldest = { path: process.execPath, major: Number(process.versions.node.split(".")[0]) };
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(folder, "node");
    if (!existsSync(path)) continue;
    const version = spawnSync(path, ["--version"], { encoding: "utf8" }).stdout ?? "";
    const major = Number(/^v([0-9]+)\./.exec(version)?.[1]);
    if (major >= 20 && major < oldest.major) oldest = { path, major };
  }
  return oldest;
}

/** What a shell outside of any npm script has: no settings of the npm that runs these tests, and its own Node first. */
function environment(): Record<string, string | undefined> {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|TRIBUTARY_|HH_|HARDHAT_|NODE_ENV|NODE_OPTIONS|PRIVATE_KEY|MNEMONIC|RPC_URL)/.test(name),
  );
  const path = [dirname(process.execPath), process.env.PATH ?? ""].join(delimiter);
  return { ...Object.fromEntries(inherited), PATH: path };
}

function toRun({ status, stdout, stderr, error }: SpawnSyncReturns<string>): Run {
  if (error !== undefined) throw error;
  return { status, output: `${stdout}${stderr}` };
}
