import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { commands } from "../scripts/commands.ts";
import { EXIT, exitCodesHelp } from "../src/cli/exit/exitCodes.ts";
import { manifest } from "./package/project.ts";

const root = join(import.meta.dirname, "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const readme = read("README.md");

/** Rows of the README's table whose header begins with `header`, as cells. */
function table(header: string): string[][] {
  const lines = readme.slice(readme.indexOf(`| ${header}`)).split("\n");
  return lines.slice(2, lines.indexOf("")).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** The README's gas figures, out of the snapshot that the gas tests compare with. */
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
  it("lists every command", () => {
    const listed = table("command").flatMap(([cell = ""]) => [...cell.matchAll(/`([a-z]+)/g)].map(([, name]) => name));
    expect([...new Set(listed)].sort()).to.deep.equal(commands.map(({ name }) => name).sort());
  });

  it("says for which commands Node 20 will do", () => {
    const [what = ""] = table("what | needs").find(([, needs]) => needs === "Node 20") ?? [];
    const [, names = ""] = what.split("the commands ");
    const listed = [...names.matchAll(/`([a-z]+)`/g)].map(([, name]) => name);
    const marked = commands.filter(({ runsOnNode20 }) => runsOnNode20).map(({ name }) => name);
    expect(listed.sort()).to.deep.equal(marked.sort());
  });

  it("says which versions of viem were tried", () => {
    const { devDependencies } = manifest;
    const versions = ["viem-oldest", "viem", "viem-newest"].map((name) => devDependencies[name]?.split("@").at(-1));
    expect(readme).to.include(`${versions[0]}, ${versions[1]} and ${versions[2]} were tried.`);
  });

  it("installs the packed file, here and in docs, and never the package of this name that the registry has", () => {
    const pages = ["README.md", ...globSync("docs/**/*.md", { cwd: root })];
    const installs = pages.flatMap((page) => read(page).match(/npm (?:install|i|add) [^`\n#]*/g) ?? []);
    const ours = installs.filter((line) => /\btributary\b/.test(line)).map((line) => line.trim());
    expect(new Set(ours)).to.deep.equal(new Set([`npm install ./tributary-${manifest.version}.tgz viem`]));
  });

  it("lists every exit code as --help does", () => {
    const rows = table("exit code");
    expect(rows.map(([code]) => Number(code))).to.deep.equal(Object.values(EXIT));
    for (const [code, meaning] of rows) expect(exitCodesHelp).to.include(`${code}  ${meaning}`);
  });

  it("repeats the gas figures of the snapshot", () => {
    const [before = "", rest = ""] = readme.split(/(?<=<!-- gas.*-->\n)/);
    const updated = `${before}\n${gasSection()}\n${rest.slice(rest.indexOf("<!-- /gas -->"))}`;
    if (process.env.UPDATE_GAS_SNAPSHOT === "1") writeFileSync(join(root, "README.md"), updated);
    else expect(readme).to.equal(updated);
  });

  for (const page of ["README.md", "SECURITY.md", ...globSync("docs/**/*.md", { cwd: root }).sort()]) {
    it(`links to files that exist: ${page}`, () => {
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
      ...[...text.matchAll(/process\.env\.([A-Z_]+)/g)].map(([, name = ""]) => name),
    ]);
    const internal = ["DEBUG"];
    expect([...named].sort()).to.deep.equal([...new Set(readHere)].filter((name) => !internal.includes(name)).sort());
  });
});
