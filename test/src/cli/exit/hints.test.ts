import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { commands } from "../../../../scripts/commands.ts";
import { ChainUnavailableError } from "../../../../src/chain/errors.ts";
import { ADDED_TO_CHECKS, ADDED_TO_ERRORS, hintOf, withHints } from "../../../../src/cli/exit/hints.ts";
import { TributaryError } from "../../../../src/errors.ts";
import { WatchError, type WatchProblem } from "../../../../src/settlement/index.ts";

const src = join(import.meta.dirname, "../../../../src");

/** The code of the library without comments: all of src/ except the commands. */
const library = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts") && !path.startsWith("cli"))
  .map((path) => ({ path, code: codeOf(readFileSync(join(src, path), "utf8")) }));

function codeOf(text: string): string {
  return text.replaceAll(/^\s*(\/\/|\/?\*).*$/gm, "");
}

/** All texts in some code, except those of several lines, which users do not read. */
function textsIn(code: string): string[] {
  return [...code.matchAll(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\\n]|\\.)*`/g)].map(([text]) => text);
}

/** Words that only a user of the commands knows: commands, options, and the options' variables. */
const OF_COMMANDS = new RegExp(
  [
    `\\btributary (${commands.map(({ name }) => name).join("|")})\\b`,
    "(?<![-\\w])--[a-z]",
    "\\bnpm run\\b",
    "\\bnpx\\b",
    "\\bthe command again\\b",
    "\\b(RPC_URL|DATABASE_URL|PRIVATE_KEY|MNEMONIC|KEYSTORE_PASSPHRASE|ETHERSCAN_API_KEY|MERCHANT_KEYS)\\b",
  ].join("|"),
);
/** The installation of an optional peer is an npm command, but a program needs it as well. */
const INSTALL = /^.npm install --save-dev /;

const namesCommand = (text: string) => OF_COMMANDS.test(text) && !INSTALL.test(text);

describe("hintOf", () => {
  it("finds texts of commands", () => {
    const texts = ["Run tributary doctor.", "Pass --token.", "Set RPC_URL.", "npm run local", "npx hardhat"];
    expect(texts.filter((text) => namesCommand(`"${text}"`))).to.deep.equal(texts);
    expect(textsIn('say("a \\"b\\"", `c`)')).to.deep.equal(['"a \\"b\\""', "`c`"]);
  });

  it("finds no command, option or variable in the library's hints", () => {
    expect(library.length).to.be.above(200);
    const found = library.flatMap(({ path, code }) =>
      textsIn(code)
        .filter(namesCommand)
        .map((text) => `${path}: ${text}`),
    );
    expect(found).to.deep.equal([]);
  });

  it("knows every error that it adds to", () => {
    const classes = library.flatMap(({ code }) => [...code.matchAll(/\bclass (\w+) extends/g)].map(([, name]) => name));
    const unknown = Object.keys(ADDED_TO_ERRORS).filter((name) => !classes.includes(name.split(" ")[0] ?? ""));
    expect(unknown).to.deep.equal([]);
  });

  it("adds options and commands after the library's hint", () => {
    const error = new ChainUnavailableError("No answer.", { hint: "Ask again." });
    expect(hintOf(error)).to.equal(
      "Ask again. --rpc-url (or RPC_URL) names the node; tributary local starts one on this machine.",
    );
    expect(hintOf(new ChainUnavailableError("No answer."))).to.match(/^--rpc-url/);
  });

  it("tells the problems of a watch apart", () => {
    const hinted = (problem: WatchProblem) => hintOf(new WatchError(problem, "It cannot begin.", { hint: "Mind." }));
    expect(hinted("folder")).to.equal("Mind. To read standard input, pass - as the folder.");
    for (const problem of ["results", "results-in-folder"] as const) {
      expect(hinted(problem)).to.equal("Mind. --out names the file of results.");
    }
  });

  it("leaves other hints as they are", () => {
    expect(hintOf(new TributaryError("No.", { hint: "Fix it." }))).to.equal("Fix it.");
    expect(hintOf(new TributaryError("No."))).to.equal(undefined);
  });
});

describe("withHints", () => {
  const named = (name: string) => ({ name, status: "fail" as const, found: "it is not", fix: "Fix it." });
  const hinted = (name: string) =>
    withHints({ chainId: 1, healthy: false, checks: [named(name)] }).checks.map(({ fix }) => fix);

  it("knows every check that it adds to", () => {
    const doctor = library.filter(({ path }) => path.startsWith("doctor")).flatMap(({ code }) => textsIn(code));
    const unknown = Object.keys(ADDED_TO_CHECKS).filter((name) => !doctor.includes(JSON.stringify(name)));
    expect(unknown).to.deep.equal([]);
  });

  it("adds to a fix: options of that check, or of the node", () => {
    expect(hinted("token")).to.deep.equal(["Fix it. --token names the token."]);
    expect(hinted("clock")).to.deep.equal(["Fix it. --rpc-url (or RPC_URL) names the node."]);
    const well = { name: "token", status: "ok" as const, found: "it is", fix: undefined };
    expect(withHints({ chainId: 1, healthy: true, checks: [well] }).checks).to.deep.equal([well]);
  });
});
