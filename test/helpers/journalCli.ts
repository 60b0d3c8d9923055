import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serialiseAuthorization } from "../../src/authorization/serialise.ts";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import type { LinePayment } from "../../src/cli/input/input.ts";
import { type Journal, openJournal } from "../../src/journal/index.ts";
import { startCommand } from "./cli.ts";

/** Writes payments into a file, one to a line. */
export function writePayments(folder: string, payments: readonly LinePayment[], name = "payments.jsonl"): string {
  const file = join(folder, name);
  writeFileSync(file, payments.map(({ authorization }) => lineOf(authorization)).join(""));
  return file;
}

export function lineOf(authorization: SignedAuthorization): string {
  return `${serialiseAuthorization(authorization)}\n`;
}

/** The lines of a file of JSON. */
export function readLines(file: string): { readonly [field: string]: unknown }[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

/** Settles a file until payments of it are on their way, and gives the exit code of the run that was stopped then. */
export async function settleAndStop(file: string, rpcUrl: string, journal: string): Promise<number | null> {
  const run = startCommand(["settle", file, "--rpc-url", rpcUrl, "--journal", journal]);
  await run.until(() => inJournal(journal, async (journal) => (await journal.count()).submitted !== undefined));
  return run.stop();
}

/** Opens a journal for `work` and closes it again, as another process would. */
export async function inJournal<T>(file: string, work: (journal: Journal) => Promise<T>): Promise<T> {
  const journal = await openJournal(file);
  try {
    return await work(journal);
  } finally {
    await journal.close();
  }
}
