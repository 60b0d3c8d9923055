import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect } from "chai";
import budget from "./budget.json" with { type: "json" };
import { manifest, pack, root } from "./project.ts";

type Locked = {
  readonly dev?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
};

/** Every package that an installation brings, by its place in the lock file. Peers are left out: the project has them. */
function productionPackages(): string[] {
  const { packages }: { readonly packages: Readonly<Record<string, Locked>> } = JSON.parse(
    readFileSync(join(root, "package-lock.json"), "utf8"),
  );
  const found = new Set<string>();
  const visit = (from: string, names: readonly string[]): void => {
    for (const name of names) {
      const place = placesAbove(from, name).find((one) => packages[one] !== undefined);
      if (place === undefined || found.has(place)) continue;
      found.add(place);
      const { dependencies, optionalDependencies } = packages[place] ?? {};
      visit(place, Object.keys({ ...dependencies, ...optionalDependencies }));
    }
  };
  visit("", Object.keys(manifest.dependencies));
  return [...found];
}

/** Where Node looks for a package from a place in the lock file, nearest first. */
function placesAbove(from: string, name: string): string[] {
  const parts = from === "" ? [] : from.split("/node_modules/");
  const folders = parts.map((_, index) => parts.slice(0, parts.length - index).join("/node_modules/"));
  return [...folders.map((folder) => `${folder}/node_modules/${name}`), `node_modules/${name}`];
}

async function namesPerDoor(): Promise<Record<string, number>> {
  const doors = {
    ".": await import("../../src/index.ts"),
    "./abi": await import("../../src/abi.ts"),
    "./settlement": await import("../../src/settlement/index.ts"),
    "./facilitator": await import("../../src/facilitator/index.ts"),
    "./keeper": await import("../../src/keeper/index.ts"),
    "./local": await import("../../src/local/index.ts"),
    "./deploy": await import("../../src/deploy/index.ts"),
    "./doctor": await import("../../src/doctor/index.ts"),
  };
  return Object.fromEntries(Object.entries(doors).map(([door, module]) => [door, Object.keys(module).length]));
}

/** The bytes of a tarball's files. In front of each is a block of 512 bytes with its size in octal digits. */
function unpackedBytes(tarball: Buffer): number {
  const tar = gunzipSync(tarball);
  let sum = 0;
  for (let at = 0; tar[at] !== 0; ) {
    const size = Number.parseInt(tar.toString("latin1", at + 124, at + 136), 8);
    const isFile = tar.toString("latin1", at + 156, at + 157) === "0";
    if (isFile) sum += size;
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return sum;
}

/** Figures that cost users something. If one grows beyond its budget, the new budget needs a reason. */
describe("budget", () => {
  const within = (what: string, value: number, { most }: { readonly today: number; readonly most: number }) =>
    expect(value, `${what}: ${value}, budget ${most}`).to.be.at.most(most);

  it("keeps the number of packages that an installation brings", () => {
    within("production packages", productionPackages().length, budget.productionPackages);
  });

  it("keeps the number of packages that it names itself", () => {
    within("production dependencies", Object.keys(manifest.dependencies).length, budget.productionDependencies);
  });

  it("keeps the size of the package, packed and installed", async () => {
    const tarball = readFileSync(await pack());
    within("packed bytes", tarball.length, budget.packedBytes);
    within("installed bytes", unpackedBytes(tarball), budget.installedBytes);
  });

  it("keeps the number of names that each door exports", async () => {
    for (const [door, count] of Object.entries(await namesPerDoor())) {
      const most = Object.entries(budget.names).find(([name]) => name === door)?.[1] ?? { today: 0, most: 0 };
      within(`names of ${door}`, count, most);
    }
  });
});
