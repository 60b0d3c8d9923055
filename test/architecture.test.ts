import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { expect } from "chai";

const root = join(import.meta.dirname, "..");

/** Layers of src/, lowest first, by the part of the path that names them. A module imports from its own or a lower one. */
const layers: readonly (readonly string[])[] = [
  ["errors.ts", "contracts", "money.ts", "networks.ts", "deployment.ts", "logger.ts", "text.ts"],
  ["authorization", "channels", "router", "gas", "fees", "abi.ts"],
  ["batch", "files.ts", "keystore.ts", "clock.ts", "failures.ts", "nodeVersion.ts"],
  ["async"],
  ["chain", "http"],
  ["index.ts"],
  ["journal"],
  ["settlement"],
  ["local", "deploy", "doctor", "facilitator", "keeper"],
  ["cli"],
];
/** Rooms of src/settlement, lowest first, by the life of a payment. Here types, too, are imported downwards only. */
const settlementRooms = [
  "policy.ts",
  "port.ts",
  "outcome",
  "sending",
  "dispatch",
  "intake",
  "engine",
  "job",
  "reports",
  "index.ts",
];
/** What a pure module may not import: anything that reads a clock, a file or the network. */
const pure = new Set([...(layers[0] ?? []), ...(layers[1] ?? []), "batch"]);
/** The only modules that load Hardhat, and only when they are asked to. */
const hardhatLoaders = ["src/local/node.ts", "src/deploy/plugins.ts", "ignition/modules/SettlementRouter.ts"];

type Import = { readonly from: string; readonly to: string; readonly dynamic: boolean };

const imports: readonly Import[] = ["src", "scripts", "demo", "ignition"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) => importsOf(join(folder, file))),
);

/** Imports of a module; type-only ones are left out, which nothing is loaded for. */
function importsOf(from: string): Import[] {
  const text = readFileSync(join(root, from), "utf8");
  const statements = [
    ...text.matchAll(/^(?:import|export)(?! type\b)[^;"]*?(?: from)? ?"([^"]+)";/gm),
    ...text.matchAll(/(?:\(|=>|=|await|,|^)\s*import\("([^"]+)"\)/gm),
  ];
  return statements.map(([statement, specifier = ""]) => ({
    from,
    to: specifier.startsWith(".") ? normalize(join(dirname(from), specifier)) : specifier,
    dynamic: statement.includes("import("),
  }));
}

/** Imports of a module from others of the repository, those of types alone included. */
function importsWithTypesOf(from: string): Import[] {
  const statements = readFileSync(join(root, from), "utf8").matchAll(/^(?:import|export)\b[^;"]*?from "(\.[^"]+)";/gm);
  return [...statements].map(([, specifier = ""]) => ({
    from,
    to: normalize(join(dirname(from), specifier)),
    dynamic: false,
  }));
}

const partOf = (path: string) => relative("src", path).split("/")[0] ?? "";
const layerOf = (path: string) => layers.findIndex((layer) => layer.includes(partOf(path)));
const isSource = (path: string) => path.startsWith("src/");
const describeImport = ({ from, to }: Import) => `${from} imports ${to}`;

describe("architecture", () => {
  it("finds the imports that it judges", () => {
    expect(imports.length).to.be.above(300);
    expect(imports.filter(({ dynamic }) => dynamic).map(({ to }) => to)).to.include("hardhat/hre");
  });

  it("has a layer for every part of src/", () => {
    const unknown = new Set(imports.map(({ from }) => from).filter((from) => isSource(from) && layerOf(from) < 0));
    expect([...unknown]).to.deep.equal([]);
  });

  it("imports downwards only", () => {
    const upwards = imports.filter(({ from, to }) => isSource(from) && isSource(to) && layerOf(to) > layerOf(from));
    expect(upwards.map(describeImport)).to.deep.equal([]);
  });

  it("keeps the order of the rooms of settlement", () => {
    const inside = readdirSync(join(root, "src/settlement"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .flatMap((file) => importsWithTypesOf(join("src/settlement", file)))
      .filter(({ to }) => to.startsWith("src/settlement/"));
    const roomOf = (path: string) => settlementRooms.indexOf(relative("src/settlement", path).split("/")[0] ?? "");
    expect(inside.length).to.be.above(100);
    expect(inside.filter(({ from }) => roomOf(from) < 0).map(describeImport)).to.deep.equal([]);
    expect(inside.filter(({ from, to }) => roomOf(to) > roomOf(from)).map(describeImport)).to.deep.equal([]);
  });

  it("imports neither commands nor tests into src/", () => {
    const wrong = imports.filter(({ from, to }) => isSource(from) && /^(scripts|demo|test|bench)\//.test(to));
    expect(wrong.map(describeImport)).to.deep.equal([]);
  });

  it("imports no tests and developers' scripts into the commands", () => {
    const wrong = imports.filter(
      ({ from, to }) =>
        from.startsWith("scripts/") && !from.startsWith("scripts/dev/") && /^(test|scripts\/dev)\//.test(to),
    );
    expect(wrong.map(describeImport)).to.deep.equal([]);
  });

  it("keeps files, processes and sockets out of the pure modules", () => {
    const wrong = imports.filter(({ from, to }) => isSource(from) && pure.has(partOf(from)) && to.startsWith("node:"));
    expect(wrong.map(describeImport)).to.deep.equal([]);
  });

  it("reads no clock in the pure modules", () => {
    const files = [...new Set(imports.map(({ from }) => from))].filter(
      (from) => isSource(from) && pure.has(partOf(from)),
    );
    const reading = files.filter((file) =>
      /\bDate\.now\(|new Date\(\)|performance\.now\(/.test(readFileSync(join(root, file), "utf8")),
    );
    expect(reading).to.deep.equal([]);
  });

  it("loads Hardhat in three places, lazily", () => {
    const wrong = imports.filter(
      ({ from, to, dynamic }) =>
        /^(hardhat|@nomicfoundation\/)/.test(to) &&
        !from.startsWith("scripts/dev/") &&
        !(hardhatLoaders.includes(from) && (dynamic || from.startsWith("ignition/"))),
    );
    expect(wrong.map(describeImport)).to.deep.equal([]);
  });
});
