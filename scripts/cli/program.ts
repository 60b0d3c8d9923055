import { existsSync, readFileSync } from "node:fs";
import { Command, Option } from "commander";
import { commands } from "./commands.ts";
import { reportError } from "./errors.ts";
import { exitCodesHelp } from "./exitCodes.ts";
import { surviveClosedOutput } from "./output.ts";
import { refuseSecrets } from "./refuseSecrets.ts";

/** Runs the command line `argv` (without the program's name) and leaves the exit code in `process.exitCode`. */
export async function run(argv: readonly string[]): Promise<void> {
  surviveClosedOutput();
  const debug = argv.includes("--debug") || (process.env.DEBUG ?? "") !== "";
  try {
    const words = argv.filter((word) => !word.startsWith("-"));
    const asked = words[0] === "help" ? words[1] : words[0];
    refuseSecrets(
      argv,
      commands.some((entry) => entry.name === asked && entry.takesHash === true),
    );
    const program = await buildProgram(asked);
    await program.parseAsync([...argv], { from: "user" });
  } catch (error) {
    process.exitCode = reportError(error, debug);
  }
}

/** The program with the code of the command `asked`; of the others only what `--help` and suggestions need. */
async function buildProgram(asked: string | undefined): Promise<Command> {
  const program = new Command("tributary")
    .description("Settle many signed USDC micropayments in few transactions.")
    .version(readVersion(), "--version")
    .addHelpText("after", "\nRun tributary <command> --help for options and an example.")
    .addHelpText("after", exitCodesHelp);
  for (const { name, summary, load } of commands) {
    const command = name === asked ? await load() : new Command(name);
    program.addCommand(command.summary(summary));
    if (name === asked) command.addHelpText("after", exitCodesHelp);
  }
  prepare(program);
  return program;
}

/** Settings that commander does not hand down to commands that are built elsewhere. */
function prepare(command: Command): void {
  command.exitOverride();
  command.showSuggestionAfterError();
  command.showHelpAfterError("hint: add --help for usage");
  command.addOption(new Option("--debug", "show the whole error, stack included"));
  for (const option of command.options) {
    // Help shows a default as JSON, which has no bigints.
    if (typeof option.defaultValue === "bigint") option.defaultValueDescription ??= String(option.defaultValue);
  }
  for (const child of command.commands) prepare(child);
}

/** Examples at the end of a command's help. */
export function examples(...lines: readonly string[]): string {
  return ["", lines.length === 1 ? "Example:" : "Examples:", ...lines.map((line) => `  $ tributary ${line}`)].join(
    "\n",
  );
}

/** The version in this package's package.json, which is above this file, further up once compiled. */
function readVersion(): string {
  for (let folder = new URL(".", import.meta.url); folder.pathname !== "/"; folder = new URL("..", folder)) {
    const file = new URL("package.json", folder);
    if (!existsSync(file)) continue;
    const content: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (typeof content !== "object" || content === null || !("version" in content)) continue;
    return String(content.version);
  }
  return "unknown";
}
