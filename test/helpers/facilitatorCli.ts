import { firstLine, type Running, spawnCommand, startCommand } from "./cli.ts";

export type RunningFacilitator<R extends Pick<Running, "stdout" | "until"> = Running> = R & {
  /** What `--json` printed. */
  readonly summary: Record<string, unknown> & { readonly url: string };
};

/**
 * Starts `tributary facilitator --port 0 --json …args` in this process and waits until it listens. Its journal is in memory
 * unless `env` or its own folder (`cwd`) says otherwise.
 */
export function startFacilitatorCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd?: string,
): Promise<RunningFacilitator> {
  return listening(startCommand(commandLine(args), options(env, cwd)));
}

/** The same in its own process. */
export function spawnFacilitatorCli(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return listening(spawnCommand(commandLine(args), options(env)));
}

const commandLine = (args: readonly string[]) => ["facilitator", "--port", "0", "--json", ...args];

function options(env: Readonly<Record<string, string>>, cwd?: string) {
  return cwd === undefined ? { env: { DATABASE_URL: ":memory:", ...env } } : { env, cwd };
}

async function listening<R extends Pick<Running, "stdout" | "until">>(running: R): Promise<RunningFacilitator<R>> {
  return { ...running, summary: (await firstLine(running)) as RunningFacilitator["summary"] };
}
