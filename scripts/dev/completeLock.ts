// Puts other systems' binaries back into package-lock.json: `node scripts/dev/completeLock.ts`. Run it after every npm
// install that changed the file. If npm finds such an optional package in no registry that it asks, it leaves the
// package out of the lockfile, and `npm ci` then refuses the lockfile everywhere. An entry that is added has a version
// and no integrity.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

type Entry = {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
};

const path = join(import.meta.dirname, "..", "..", "package-lock.json");
const lock: { packages: Record<string, object> } = JSON.parse(readFileSync(path, "utf8"));
const known: Readonly<Record<string, Entry>> = lock.packages;

for (const [from, { dev, optionalDependencies = {} }] of Object.entries(known)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const system = /-(android|darwin|linux|win32)-(amd64|arm64|x64)(-musl)?$/.exec(name);
    const nested = `${from}/node_modules/${name}` in known;
    if (system === null || nested || `node_modules/${name}` in known) continue;
    const [, os = "", cpu = "", musl] = system;
    lock.packages[`node_modules/${name}`] = {
      version,
      cpu: [cpu.replace("amd64", "x64")],
      ...(dev === true ? { dev } : {}),
      ...(musl === undefined ? {} : { libc: ["musl"] }),
      optional: true,
      os: [os],
    };
    console.log(`added ${name}@${version}`);
  }
}

const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, "en"));
writeFileSync(path, `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, null, 2)}\n`);
