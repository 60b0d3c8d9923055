import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { expect } from "chai";

const root = join(import.meta.dirname, "..");

/**
 * Layers of src/, lowest first, by the part of the path that names them. A module imports from its own or a lower one.
 */
const layers: readonly (readonly string[])[] = [
  [
    "errors.ts",
    "reasons.ts",
    "contracts",
    "money.ts",
    "networks.ts",
    "deployment.ts",
    "logger.ts",
    "text.ts",
    "lists.ts",
  ],
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
/** Rooms of src/settlement, lowest first, by the life of a payment. A module imports from its own or a lower one. */
const settlementRooms = [
  "policy.ts",
  "pace.ts",
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
/** The only modules that load Hardhat, and only on demand. */
const hardhatLoaders = ["src/local/node.ts", "src/deploy/plugins.ts", "ignition/modules/SettlementRouter.ts"];

/** The products. Only the commands use several of them; they know nothing of each other. */
const products = ["local", "deploy", "doctor", "facilitator", "keeper"];
/** What async/ may import. Everything that may import async/ may import these too. */
const besideAsync = ["async", "errors.ts", "failures.ts", "clock.ts", "logger.ts"];
/** What users import. These files export modules of the folders below theirs, which use the files beside them. */
const doors: readonly string[] = ["src/index.ts", "src/abi.ts", "src/settlement/index.ts"];

type Import = { readonly from: string; readonly to: string; readonly dynamic: boolean; readonly typeOnly: boolean };

/** All imports, including those of types: they load nothing, but a reader of the module must know what they name. */
const named: readonly Import[] = ["src", "scripts", "demo", "ignition"].flatMap((folder) =>
  sources(folder).flatMap(importsOf),
);

function sources(folder: string): string[] {
  const files = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" });
  return files.filter((file) => file.endsWith(".ts")).map((file) => join(folder, file));
}

function isSource(path: string): boolean {
  return path.startsWith("src/");
}

const imports = named.filter(({ typeOnly }) => !typeOnly);
const inSource = named.filter(({ from, to }) => isSource(from) && isSource(to));

function importsOf(from: string): Import[] {
  const text = readFileSync(join(root, from), "utf8");
  const statements = [
    ...text.matchAll(/^(?:import|export)\b[^;"]*?(?: from)? ?"([^"]+)";/gm),
    ...text.matchAll(/(?:\(|=>|=|await|,|^)\s*import\("([^"]+)"\)/gm),
  ];
  return statements.map(([statement, specifier = ""]) => ({
    from,
    to: specifier.startsWith(".") ? normalize(join(dirname(from), specifier)) : specifier,
    dynamic: statement.includes("import("),
    typeOnly: /^(?:import|export) type\b/.test(statement),
  }));
}

const partOf = (path: string) => relative("src", path).split("/")[0] ?? "";
const layerOf = (path: string) => layers.findIndex((layer) => layer.includes(partOf(path)));
const describeImport = ({ from, to }: Import) => `${from} imports ${to}`;

/** The circles in a graph: sets of two or more nodes that can be reached from each other. */
function circlesOf(arrows: readonly (readonly [string, string])[]): string[][] {
  const targets = new Map<string, Set<string>>();
  for (const [from, to] of arrows) {
    if (from !== to) targets.set(from, (targets.get(from) ?? new Set()).add(to));
  }
  const reached = new Map([...targets.keys()].map((from) => [from, reachable(from)] as const));
  const circles = [...reached.keys()].map((node) =>
    [...(reached.get(node) ?? [])].filter((other) => reached.get(other)?.has(node) === true).sort(),
  );
  return [...new Map(circles.filter(({ length }) => length > 1).map((circle) => [circle.join(), circle])).values()];

  function reachable(start: string): Set<string> {
    const seen = new Set<string>();
    const open = [start];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      for (const next of targets.get(node) ?? []) {
        if (!seen.has(next)) open.push(next);
        seen.add(next);
      }
    }
    return seen;
  }
}

const roomOf = (path: string) => (doors.includes(path) ? path : dirname(path));

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
    const upwards = inSource.filter(({ from, to }) => layerOf(to) > layerOf(from));
    expect(upwards.map(describeImport)).to.deep.equal([]);
  });

  it("keeps products out of each other", () => {
    const wrong = inSource.filter(({ from, to }) => {
      return partOf(from) !== partOf(to) && [from, to].every((path) => products.includes(partOf(path)));
    });
    expect(wrong.map(describeImport)).to.deep.equal([]);
  });

  it("lets every layer import async, which imports none", () => {
    const wrong = inSource.filter(({ from, to }) => partOf(from) === "async" && !besideAsync.includes(partOf(to)));
    expect(wrong.map(describeImport)).to.deep.equal([]);
  });

  it("finds circles", () => {
    const arrows = ["ab", "bc", "cb", "cd", "de", "ef", "fd", "aa"].map(([from = "", to = ""]) => [from, to] as const);
    expect(circlesOf(arrows)).to.deep.equal([
      ["b", "c"],
      ["d", "e", "f"],
    ]);
  });

  it("has no circle of folders", () => {
    expect(circlesOf(inSource.map(({ from, to }) => [roomOf(from), roomOf(to)]))).to.deep.equal([]);
  });

  it("has no circle of more than two files", () => {
    const circles = circlesOf(inSource.map(({ from, to }) => [from, to]));
    expect(circles.filter(({ length }) => length > 2)).to.deep.equal([]);
  });

  it("has no folder of more than sixteen files, and no file of more than 400 lines", () => {
    const files = sources("src").filter((file) => partOf(file) !== "contracts");
    const folders = [...new Set(files.map((file) => dirname(file)))].filter((folder) => folder !== "src");
    const corridors = folders.filter((folder) => files.filter((file) => dirname(file) === folder).length > 16);
    expect(corridors).to.deep.equal([]);
    const linesOf = (file: string) => readFileSync(join(root, file), "utf8").split("\n").length - 1;
    expect(files.filter((file) => linesOf(file) > 400)).to.deep.equal([]);
  });

  it("has the tests of src/ where their modules are", () => {
    const tests = readdirSync(join(root, "test/src"), { recursive: true, encoding: "utf8" });
    // A test that is not named like a module is about its whole folder.
    const lost = tests.filter((file) => {
      const source = join(root, "src", file.replace(/\.test\.ts$/, ".ts"));
      return file.endsWith(".test.ts") && !existsSync(source) && !existsSync(dirname(source));
    });
    expect(lost).to.deep.equal([]);
  });

  it("keeps the order of the rooms of settlement", () => {
    const isInside = (path: string) => path.startsWith("src/settlement/");
    const inside = inSource.filter(({ from, to }) => isInside(from) && isInside(to));
    const roomIn = (path: string) => settlementRooms.indexOf(relative("src/settlement", path).split("/")[0] ?? "");
    expect(inside.length).to.be.above(100);
    expect(inside.filter(({ from }) => roomIn(from) < 0).map(describeImport)).to.deep.equal([]);
    expect(inside.filter(({ from, to }) => roomIn(to) > roomIn(from)).map(describeImport)).to.deep.equal([]);
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

  it("keeps the journal apart from the packages of x402", () => {
    const wrong = named.filter(({ from, to }) => from.startsWith("src/journal/") && to.startsWith("@x402/"));
    expect(wrong.map(describeImport)).to.deep.equal([]);
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
