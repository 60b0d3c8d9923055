import { expect } from "chai";
import { commands } from "../../scripts/commands.ts";
import { nodeTooOld } from "../../src/nodeVersion.ts";
import { runModule, spawnCli, withFolder } from "../helpers/cli.ts";

const OLD = "22.12.0";

/** A Node option that makes the process believe that it is an older Node. */
const asOldNode = `--import=data:text/javascript,${encodeURIComponent(
  `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${OLD}" } });`,
)}`;

describe("nodeTooOld", () => {
  for (const [version, works] of [
    ["20.19.5", false],
    ["22.12.9", false],
    ["22.13.0", true],
    ["23.0.0", true],
    ["24.0.0", true],
  ] as const) {
    it(`${works ? "takes" : "refuses"} Node ${version}`, () => {
      expect(nodeTooOld("The journal", version)).to.deep.equal(
        works
          ? undefined
          : {
              shortMessage: "The journal needs Node 22.13 or newer.",
              details: `This is Node ${version}.`,
              hint: "Run it with a newer Node.",
            },
      );
    });
  }

  it("names a journal in SQLite", async () => {
    const source = `
      import { openJournal } from "./src/journal/index.ts";
      const error = await openJournal(":memory:").catch((cause) => cause);
      console.log([error.name, error.kind, error.shortMessage, error.details].join(" | "));`;
    const { stdout } = await runModule(source, { nodeOptions: [asOldNode] });
    expect(stdout.trim()).to.equal(
      `JournalError | unavailable | A journal in SQLite needs Node 22.13 or newer. | This is Node ${OLD}.`,
    );
  });

  it("names a deployment and Hardhat's keystore", async () => {
    const source = `
      import { loadHardhatKeystore, loadIgnition, loadVerification } from "./src/deploy/plugins.ts";
      for (const load of [loadIgnition, loadVerification, loadHardhatKeystore]) {
        const error = await load().catch((cause) => cause);
        console.log(error.name + ": " + error.shortMessage);
      }`;
    const { stdout } = await runModule(source, { nodeOptions: [asOldNode] });
    expect(stdout.trim().split("\n")).to.deep.equal([
      "IgnitionUnavailableError: A deployment needs Node 22.13 or newer.",
      "IgnitionUnavailableError: A deployment needs Node 22.13 or newer.",
      "IgnitionUnavailableError: Hardhat's keystore needs Node 22.13 or newer.",
    ]);
  });
});

describe("commands under an older Node", () => {
  const run = (args: readonly string[], cwd?: string) =>
    spawnCli(args, { nodeOptions: [asOldNode], ...(cwd === undefined ? {} : { cwd }) });

  for (const args of [["settle", "no-such-file"], ["channels", "list"], ["local"], ["export"]]) {
    it(`${args.join(" ")}: says which Node it needs, and nothing else`, async () => {
      const { code, stdout, stderr } = await run(args);
      expect(stderr).to.equal(
        `error: tributary ${args[0]} needs Node 22.13 or newer.\n  This is Node ${OLD}.\nhint: Run it with a newer Node.\n`,
      );
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
    });
  }

  it("shows the help of each of them", async () => {
    const { code, stdout } = await run(["settle", "--help"]);
    expect(stdout).to.match(/^Usage: tributary settle /);
    expect(code).to.equal(0);
  });

  it("runs what needs neither a journal nor Hardhat", async () => {
    expect(commands.filter((command) => command.runsOnNode20).map(({ name }) => name)).to.include("sign");
    await withFolder(async (folder) => {
      const payee = "0xdD2FD4581271e230360230F9337D5c0430Bf44C0";
      const args = ["sign", "--payee", payee, "--amount", "0.01", "--count", "2", "--out", "p.jsonl"];
      const mnemonic = "test test test test test test test test test test test junk";
      const { code, stderr } = await spawnCli(args, {
        nodeOptions: [asOldNode],
        cwd: folder,
        env: { MNEMONIC: mnemonic },
      });
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "2 payments by 1 payer in p.jsonl\n" });
    });
  });
});
