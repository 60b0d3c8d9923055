import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { commands } from "../scripts/commands.ts";
import { EXIT, exitCodesHelp } from "../src/cli/process/exitCodes.ts";
import { manifest } from "./package/project.ts";

const root = join(import.meta.dirname, "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const readme = read("README.md");
const GAS_PAGE = "docs/performance.md";

/** Rows of the page's table whose header begins with `header`, as cells. */
function table(page: string, header: string): string[][] {
  const text = read(page);
  const lines = text.slice(text.indexOf(`| ${header}`)).split("\n");
  return lines.slice(2, lines.indexOf("")).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** The gas figures of the page on performance, out of the snapshot that the gas tests compare with. */
function gasSection(): string {
  const snapshot: Record<string, Record<string, number>> = JSON.parse(read("test/gas/snapshot.json"));
  const figure = (scenario: string, name: string) =>
    Math.round(snapshot[scenario]?.[name] ?? Number.NaN).toLocaleString("en");
  const row = (title: string, scenario: string) =>
    `| ${[title, ...["gasPerPayment", "shareOfRouter", "calldataBytes"].map((name) => figure(scenario, name))].join(" | ")} |`;
  return [
    "| gas for each payment | in a batch | of which the router's share | calldata bytes |",
    "| --- | --- | --- | --- |",
    row("N payers → 1 payee", "compact, N payers to 1 payee"),
    row("N payers → N payees", "compact, N payers to N payees"),
    row("1 payer → 1 payee", "compact, 1 payer to 1 payee"),
    row("N payers → 1 payee, wide form, (v, r, s)", "wide, vrs overload"),
    row("N payers → 1 payee, by Multicall3's `aggregate3`", "Multicall3, N payers to 1 payee"),
    `| one transaction for each payment, on the token itself | ${figure("a single payment", "gasOnToken")} | | |`,
    "",
    `One transaction of 2^24 gas carries ${figure("one transaction of 2^24 gas", "payments")} payments of distinct payers to one payee. A single payment costs more through the`,
    `router (${figure("a single payment", "gasThroughRouter")}) than on the token, so the planner sends it there.`,
    "",
  ].join("\n");
}

describe("README", () => {
  it("has 200 lines at most", () => {
    expect(readme.split("\n").length - 1).to.be.at.most(200);
  });

  it("lists every command, five of them first", () => {
    const first = table("README.md", "command").map(([cell = ""]) => /`([a-z]+)/.exec(cell)?.[1]);
    expect(first).to.deep.equal(["demo", "local", "settle", "facilitator", "pay"]);
    const list = readme.slice(readme.indexOf("The rest,"), readme.indexOf("In a checkout"));
    const rest = [...list.matchAll(/`([a-z]+)`/g)].map(([, name]) => name);
    expect([...first, ...rest].sort()).to.deep.equal(commands.map(({ name }) => name).sort());
  });
});

describe("pages", () => {
  it("describe every command", () => {
    const listed = table("docs/commands.md", "command").flatMap(([cell = ""]) =>
      [...cell.matchAll(/`([a-z]+)/g)].map(([, name]) => name),
    );
    expect([...new Set(listed)].sort()).to.deep.equal(commands.map(({ name }) => name).sort());
  });

  it("say for which commands Node 20 will do", () => {
    const [what = ""] = table("docs/install.md", "what | needs").find(([, needs]) => needs === "Node 20") ?? [];
    const [, names = ""] = what.split("the commands ");
    const listed = [...names.matchAll(/`([a-z]+)`/g)].map(([, name]) => name);
    const marked = commands.filter(({ runsOnNode20 }) => runsOnNode20).map(({ name }) => name);
    expect(listed.sort()).to.deep.equal(marked.sort());
  });

  it("say which versions of viem were tried", () => {
    const { devDependencies } = manifest;
    const versions = ["viem-oldest", "viem", "viem-newest"].map((name) => devDependencies[name]?.split("@").at(-1));
    expect(read("docs/install.md")).to.include(`${versions[0]}, ${versions[1]} and ${versions[2]} were tried.`);
  });

  it("install the packed file, and never the package of this name that the registry has", () => {
    const pages = ["README.md", ...globSync("docs/**/*.md", { cwd: root })];
    const installs = pages.flatMap((page) => read(page).match(/npm (?:install|i|add) [^`\n#]*/g) ?? []);
    const ours = installs.filter((line) => /\btributary\b/.test(line)).map((line) => line.trim());
    expect(new Set(ours)).to.deep.equal(new Set([`npm install ./tributary-${manifest.version}.tgz viem`]));
  });

  it("list every exit code as --help does", () => {
    const rows = table("docs/commands.md", "exit code");
    expect(rows.map(([code]) => Number(code))).to.deep.equal(Object.values(EXIT));
    for (const [code, meaning] of rows) expect(exitCodesHelp).to.include(`${code}  ${meaning}`);
  });

  it("name files that exist", () => {
    const missing = ["README.md", "SECURITY.md", ...globSync("docs/**/*.md", { cwd: root })].flatMap((page) =>
      [...read(page).matchAll(/`((?:src|contracts|scripts|test|bench|demo|examples|ignition)\/[\w/.-]+\.\w+)`/g)]
        .map(([, file = ""]) => file)
        .filter((file) => !existsSync(join(root, file)))
        .map((file) => `${page} names ${file}`),
    );
    expect(missing).to.deep.equal([]);
  });

  it("repeat the gas figures of the snapshot", () => {
    const page = read(GAS_PAGE);
    const [before = "", rest = ""] = page.split(/(?<=<!-- gas.*-->\n)/);
    const updated = `${before}\n${gasSection()}\n${rest.slice(rest.indexOf("<!-- /gas -->"))}`;
    if (process.env.UPDATE_GAS_SNAPSHOT === "1") writeFileSync(join(root, GAS_PAGE), updated);
    else expect(page).to.equal(updated);
  });

  for (const page of ["README.md", "SECURITY.md", ...globSync("docs/**/*.md", { cwd: root }).sort()]) {
    it(`link to files that exist: ${page}`, () => {
      const links = [...read(page).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, link = ""]) =>
        join(root, page, "..", link),
      );
      expect(links.filter((path) => !existsSync(path))).to.deep.equal([]);
    });
  }
});

describe(".env.example", () => {
  it("names every variable that the commands read for their settings", () => {
    const named = [...read(".env.example").matchAll(/^# ([A-Z_]+)=/gm)].map(([, name = ""]) => name);
    const sources = globSync(["scripts/*.ts", "src/cli/**/*.ts"], { cwd: root }).map((file) => read(file));
    const readHere = sources.flatMap((text) => [
      ...[...text.matchAll(/\.env\("([A-Z_]+)"\)/g)].map(([, name = ""]) => name),
      ...[...text.matchAll(/\benv\.([A-Z_]+)/g)].map(([, name = ""]) => name),
    ]);
    const internal = ["DEBUG", "FORCE_COLOR"];
    expect([...named].sort()).to.deep.equal([...new Set(readHere)].filter((name) => !internal.includes(name)).sort());
  });
});
