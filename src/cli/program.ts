import { Command, Option } from "commander";
import { packageVersion } from "../files.ts";
import { formatAmount } from "../money.ts";
import { nodeTooOld } from "../nodeVersion.ts";
import { reportError, UsageError } from "./exit/errors.ts";
import { readEnvironment } from "./options/environment.ts";
import { gwei, usdcAmount } from "./options/options.ts";
import { refuseSecrets } from "./options/refuseSecrets.ts";
import { notice, surviveClosedOutput } from "./output/output.ts";
import { widthOf } from "./output/terminal.ts";
import { type ExitCode, exitCodesHelp } from "./process/exitCodes.ts";
import { currentRun, inRun, type Surroundings } from "./process/surroundings.ts";

/** A command of `tributary`. Its code is loaded only when the command is used. */
export type CommandEntry = {
  readonly name: string;
  /** One line for `tributary --help`. */
  readonly summary: string;
  readonly load: () => Promise<Command>;
  /** Whether a newcomer starts with it: `tributary --help` lists it first. */
  readonly isMain?: true;
  /** Whether an argument may be a 32-byte hash, which looks like a private key. */
  readonly takesHash?: true;
  /** Whether Node 20 is enough: the command opens no journal and starts no Hardhat. */
  readonly runsOnNode20?: true;
  /** Whether it may hold much in memory, so garbage is collected sooner. */
  readonly holdsMuch?: true;
};

/**
 * Runs the command line `argv` (without the program's name) and resolves with its exit code.
 * @param around Replaces this process's streams, environment and signals.
 */
export function run(
  argv: readonly string[],
  commands: readonly CommandEntry[],
  around?: Surroundings,
): Promise<ExitCode> {
  return inRun(() => runHere(argv, commands), around);
}

async function runHere(argv: readonly string[], commands: readonly CommandEntry[]): Promise<ExitCode> {
  surviveClosedOutput();
  const here = currentRun();
  const debug = argv.includes("--debug") || (here.env.DEBUG ?? "") !== "";
  try {
    const entry = askedCommand(argv, commands);
    refuseSecrets(argv, entry?.takesHash === true);
    const program = await buildProgram(entry?.name, commands);
    await program.parseAsync([...argv], { from: "user" });
    if (here.wasShortened)
      notice("notice: shortened to fit the terminal; --json, a pipe or a wider terminal shows it whole");
    return here.exitCode;
  } catch (error) {
    return reportError(error, debug);
  }
}

/** The command that `argv` asks for, or asks for help with. */
export function askedCommand(argv: readonly string[], commands: readonly CommandEntry[]): CommandEntry | undefined {
  const words = argv.filter((word) => !word.startsWith("-"));
  const asked = words[0] === "help" ? words[1] : words[0];
  return commands.find(({ name }) => name === asked);
}

const OTHERS = "More commands:";

/** The program with the code of the command `asked`, and only the names and summaries of the others. */
async function buildProgram(asked: string | undefined, commands: readonly CommandEntry[]): Promise<Command> {
  const program = new Command("tributary")
    .description("Settle many signed USDC micropayments in few transactions.")
    .version(packageVersion(), "--version")
    .addHelpText("after", "\nRun tributary <command> --help for options and an example.")
    .addHelpText("after", exitCodesHelp);
  program.commandsGroup(OTHERS).helpCommand("help [command]");
  for (const { name, summary, load, isMain, runsOnNode20 } of commands) {
    const command = name === asked ? await load() : new Command(name);
    // Checked before the command asks for a passphrase or reads a long file. --help works on any Node.
    if (runsOnNode20 !== true) command.hook("preAction", () => requireNewNode(name));
    program.addCommand(command.summary(summary).helpGroup(isMain === true ? "Commands to start with:" : OTHERS));
    if (name === asked) command.addHelpText("after", exitCodesHelp);
  }
  prepare(program);
  return program;
}

/** @throws UsageError if this Node lacks what journals and Hardhat need. */
function requireNewNode(command: string): void {
  const tooOld = nodeTooOld(`tributary ${command}`);
  if (tooOld !== undefined) throw new UsageError(tooOld.shortMessage, tooOld);
}

/** Settings that commander does not pass on to commands built elsewhere. */
function prepare(command: Command): void {
  const { stdout, stderr, env } = currentRun();
  command.exitOverride();
  command.showSuggestionAfterError();
  command.showHelpAfterError("hint: add --help for usage");
  command.configureOutput({
    writeOut: (text) => stdout.write(text),
    writeErr: (text) => stderr.write(text),
    getOutHelpWidth: () => widthOf(stdout) ?? 80,
    getErrHelpWidth: () => widthOf(stderr) ?? 80,
  });
  readEnvironment(command, env);
  command.addOption(new Option("--debug", "show the whole error, stack included"));
  for (const option of command.options) {
    const inItsUnit = describeDefault(option);
    if (inItsUnit !== undefined) option.defaultValueDescription ??= inItsUnit;
  }
  for (const child of command.commands) prepare(child);
}

/** The text of a bigint default, in the option's own unit. Commander shows defaults as JSON, which has no bigints. */
function describeDefault({ defaultValue, parseArg }: Option): string | undefined {
  if (typeof defaultValue !== "bigint") return undefined;
  if (parseArg === usdcAmount) return formatAmount(defaultValue, 6);
  return parseArg === gwei ? formatAmount(defaultValue, 9) : String(defaultValue);
}
