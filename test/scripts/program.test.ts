import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect } from "chai";
import { commands } from "../../scripts/commands.ts";
import { runCli, runModule, TEST_MNEMONIC } from "../helpers/cli.ts";

const KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const TX_HASH = `0x${KEY}`;

describe("tributary", () => {
  it("lists every command and every exit code", async () => {
    const { code, stdout, stderr } = await runCli(["--help"]);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
    for (const { name, summary } of commands) {
      expect(stdout).to.match(new RegExp(`^  ${name} `, "m"));
      expect(stdout.replace(/\s+/g, " ")).to.contain(summary);
    }
    for (const exitCode of [0, 1, 2, 3, 4, 5]) expect(stdout).to.match(new RegExp(`^  ${exitCode}  `, "m"));
  });

  it("lists the commands to start with first", async () => {
    const { stdout } = await runCli(["--help"]);
    const listed = stdout.slice(stdout.indexOf("Commands to start with:"), stdout.indexOf("More commands:"));
    const names = [...listed.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name);
    expect(names).to.deep.equal(["demo", "local", "settle", "facilitator", "pay"]);
  });

  it("shows an example and the exit codes in every command's --help", async () => {
    await Promise.all(
      commands.map(async ({ name }) => {
        const [{ code, stdout }, asked] = await Promise.all([runCli([name, "--help"]), runCli(["help", name])]);
        expect(code, name).to.equal(0);
        expect(stdout).to.match(/^Examples?:\n {2}\$ tributary /m);
        expect(stdout).to.contain("Exit codes:");
        expect(asked.stdout).to.equal(stdout);
      }),
    );
  });

  it("shows the default of an amount in the unit that the option takes", async () => {
    const [pay, smoke] = await Promise.all(["pay", "smoke"].map((name) => runCli([name, "--help"])));
    expect(pay?.stdout).to.match(/--max <usdc> .*\(default: 0\.01\)$/m);
    expect(smoke?.stdout).to.match(/--amount <usdc> .*\(default: 0\.0001\)$/m);
  });

  it("prints the package's version", async () => {
    const { code, stdout } = await runCli(["--version"]);
    expect(code).to.equal(0);
    expect(stdout).to.match(/^[0-9]+\.[0-9]+\.[0-9]+\n$/);
  });

  it("suggests the command that was meant", async () => {
    const { code, stdout, stderr } = await runCli(["sing"]);
    expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
    expect(stderr).to.contain("unknown command 'sing'").and.to.contain("Did you mean sign?");
  });

  it("is bad usage without a command or with an unknown option", async () => {
    const none = await runCli([]);
    expect(none.code).to.equal(2);
    expect(none.stderr).to.contain("Usage: tributary");
    const unknown = await runCli(["fund", "--amuont", "5"]);
    expect(unknown.code).to.equal(2);
    expect(unknown.stderr).to.contain("unknown option '--amuont'");
  });

  for (const [what, argument] of [
    ["a private key", `0x${KEY}`],
    ["a private key without 0x", KEY],
    ["a private key in upper case", KEY.toUpperCase()],
    ["a private key in an option", `--private-key=0x${KEY}`],
    ["a mnemonic", TEST_MNEMONIC],
  ] as const) {
    it(`refuses ${what} as an argument and does not echo it`, async () => {
      const { code, stdout, stderr } = await runCli(["sign", "--keystore", argument]);
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
      expect(stderr).to.match(/^error: An argument looks like a (private key|mnemonic); it was not used\.$/m);
      expect(stderr.toLowerCase()).to.not.contain("ac0974").and.to.not.contain("junk");
    });
  }

  it("refuses an address with a password as an argument and does not echo it", async () => {
    for (const args of [
      ["status", "--journal", "postgres://me:hunter2@127.0.0.1/db"],
      ["status", "--journal=postgres://127.0.0.1/db?password=hunter2"],
      ["facilitator", "--database-url", "postgresql://me:hunter2@127.0.0.1/db"],
      ["plan", "x.jsonl", "--rpc-url", "https://me:hunter2@node.example"],
      ["plan", "x.jsonl", "--rpc-url", "https://hunter2@node.example"],
    ]) {
      const { code, stdout, stderr } = await runCli(args);
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
      expect(stderr).to.match(/^error: An argument is an address with a password; it was not used\.$/m);
      expect(stderr).to.include("DATABASE_URL").and.not.include("hunter2");
    }
    const named = await runCli(["status", "--journal", "postgres://me@127.0.0.1:1/db"]);
    expect(named.stderr).not.to.include("password");
  });

  it("accepts a hash if a command expects one", async () => {
    const { stderr } = await runCli(["fund", TX_HASH, "1"]);
    expect(stderr).to.contain("looks like a private key");
    await Promise.all(
      commands.map(async ({ name, takesHash }) => {
        const result = await runCli([name, TX_HASH, "--rpc-url", "http://127.0.0.1:1"]);
        expect(result.stderr.includes("looks like a private key"), name).to.equal(takesHash !== true);
      }),
    );
  });

  it("shows a stack only with --debug", async () => {
    const args = ["fund", "0x00000000000000000000000000000000000000AA", "0"];
    expect((await runCli(args)).stderr).to.equal(
      "error: The amount is zero.\nhint: Write how much USDC to mint, such as 1.5.\n",
    );
    expect((await runCli([...args, "--debug"])).stderr).to.match(/^ {4}at /m);
    expect((await runCli(args, { env: { DEBUG: "1" } })).stderr).to.match(/^ {4}at /m);
  });

  it("does not load Hardhat for a command that needs none", async () => {
    const hooks = `
      import { registerHooks } from "node:module";
      registerHooks({
        resolve(specifier, context, next) {
          if (specifier.startsWith("hardhat") || specifier.startsWith("@nomicfoundation/")) throw new Error("loaded");
          return next(specifier, context);
        },
      });`;
    // One process for all of them: whichever command loads it, the process sees.
    const { stdout, stderr } = await runModule(
      `import { run } from "./src/cli/program.ts";
      import { commands } from "./scripts/commands.ts";
      const codes = [];
      for (const { name } of commands) codes.push(await run([name, "--help"], commands));
      console.log(JSON.stringify(codes));`,
      { nodeOptions: [`--import=data:text/javascript,${encodeURIComponent(hooks)}`] },
    );
    expect(stderr).to.equal("");
    expect(JSON.parse(stdout.trim().split("\n").at(-1) ?? "")).to.deep.equal(commands.map(() => 0));
  });

  it("survives a reader that goes away", async () => {
    const program = join(import.meta.dirname, "..", "..", "scripts", "tributary.ts");
    const payee = "0x00000000000000000000000000000000000000AA";
    const child = spawn(process.execPath, [program, "sign", "--payee", payee, "--amount", "1", "--count", "1000000"], {
      env: { PATH: process.env.PATH ?? "", MNEMONIC: TEST_MNEMONIC },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    child.stdout.destroy();
    const code = await new Promise((resolve) => child.once("close", resolve));
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
  });
});
