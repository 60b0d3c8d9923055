import { existsSync, renameSync, statSync } from "node:fs";
import { Option } from "commander";
import type { ChainClient } from "../../chain/client.ts";
import { isDevelopmentChain } from "../../chain/development.ts";
import { type Binding, bindJournal } from "../../journal/binding.ts";
import { DEFAULT_JOURNAL_PATH, isOutage, type Journal, type JournalOptions, openJournal } from "../../journal/index.ts";
import { nameOf } from "../../settlement/engine/takeKeys.ts";
import { asUsageAsync, UsageError } from "../exit/errors.ts";
import { notice } from "../output/output.ts";

export type JournalOption = { readonly journal?: string | undefined };

/** `--journal FILE|URL`, else `DATABASE_URL`, else the default file. */
export function journalOption(): Option {
  return new Option(
    "--journal <file>",
    `the journal: a file, or the postgres:// address of a database (default: ${DEFAULT_JOURNAL_PATH})`,
  ).env("DATABASE_URL");
}

/**
 * Opens the journal for a command that only reads it or asks for changes: it must exist.
 * @throws UsageError if it does not exist or cannot be opened.
 */
export async function openExistingJournal({ journal }: JournalOption): Promise<Journal> {
  const path = journal ?? DEFAULT_JOURNAL_PATH;
  if (isFile(path) && !existsSync(path)) {
    throw new UsageError(`There is no journal at ${path}.`, {
      hint: "Name it with --journal (or DATABASE_URL), or run tributary settle first, which makes one.",
    });
  }
  // A command that only reads does not wait for the check of a large file.
  return openNamedJournal(journal, { check: false });
}

/**
 * Opens a journal, and makes it if there is none. If the journal cannot be used now, or is damaged, the error is not a
 * UsageError, so the command ends with exit code 1.
 * @throws UsageError if the address is malformed, or another program or a newer version made the journal.
 */
async function openNamedJournal(journal: string | undefined, options: JournalOptions = {}): Promise<Journal> {
  try {
    return await openJournal(journal, options);
  } catch (error) {
    if (isOutage(error)) throw error;
    return asUsageAsync(Promise.reject(error));
  }
}

/** Opens the journal for `work` and closes it afterwards, whatever happens. */
export async function withJournal<T>(options: JournalOption, work: (journal: Journal) => Promise<T>): Promise<T> {
  const journal = await openExistingJournal(options);
  try {
    return await work(journal);
  } finally {
    await journal.close();
  }
}

/**
 * Opens the journal for an engine, makes it if there is none, and binds it to the chain: on another chain, an engine
 * would wait for transactions that nobody knows. A local chain begins anew with each start, so there the previous
 * chain's default journal is put aside.
 * @throws UsageError if it cannot be opened, or belongs to another chain.
 */
export async function openEngineJournal(
  { journal: address, rpcUrl }: JournalOption & { readonly rpcUrl: string },
  client: ChainClient,
): Promise<Journal> {
  const before = defaultFile();
  const journal = await openNamedJournal(address);
  try {
    const bound = await bindJournal(journal, client);
    const isLocal = await isDevelopmentChain(client, rpcUrl);
    if (bound.isSame) {
      if (isLocal) await journal.setCursor(localCursor(client), bound.node);
      return journal;
    }
    const wasLocal = (await journal.cursor(localCursor(client))) === bound.recorded;
    if (address !== undefined || !isLocal || !wasLocal) throw otherChain(address, client, bound);
    await requireUnused(journal);
    await journal.close();
    // Another process that started at the same time may have put the file aside already. The file that is there now
    // belongs to the new chain, and is in use.
    if (before === defaultFile()) {
      const aside = putAside(bound);
      notice(`notice: the local chain began anew; the previous chain's journal is now ${aside}`);
    }
    return await openEngineJournal({ journal: address, rpcUrl }, client);
  } catch (error) {
    await journal.close();
    throw error;
  }
}

/**
 * The cursor that marks a journal of a local chain. A real network may have the same id; its journal is never put
 * aside.
 */
function localCursor(client: ChainClient): string {
  return `local:${client.chain.id}`;
}

function otherChain(address: string | undefined, client: ChainClient, bound: Binding): UsageError {
  return new UsageError(
    `The journal ${withoutPassword(address)} belongs to another chain with the id ${client.chain.id}.`,
    {
      details: `It knows a chain that begins with block ${bound.recorded}; the node's begins with ${bound.node}.`,
      hint: "Name another journal for this chain in DATABASE_URL, or point --rpc-url at the other chain.",
    },
  );
}

/** Moving a file that somebody has open would lose what SQLite writes to it. */
async function requireUnused(journal: Journal): Promise<void> {
  const leases = (await journal.senders()).flatMap(({ lease }) => (lease === undefined ? [] : [lease]));
  const lease = leases.find(({ silentForMs, ttlMs }) => silentForMs < ttlMs);
  if (lease === undefined) return;
  throw new UsageError(
    `The local chain began anew, and ${nameOf(lease)} still has the previous chain's journal open.`,
    {
      hint:
        "Stop that first, or name another journal in DATABASE_URL. " +
        `A process that was killed counts as stopped ${Math.ceil(lease.ttlMs / 1000)} s later.`,
    },
  );
}

/** Identifies the file at the default journal's path; undefined if there is none. */
function defaultFile(): string | undefined {
  try {
    const { dev, ino } = statSync(DEFAULT_JOURNAL_PATH, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

/**
 * Moves the default journal aside and returns its new path. A chain that was used several times has several of them.
 */
function putAside(bound: Binding): string {
  const stem = `${DEFAULT_JOURNAL_PATH.replace(/\.db$/, "")}-${bound.recorded.slice(2, 10)}`;
  let aside = `${stem}.db`;
  for (let count = 2; existsSync(aside); count += 1) aside = `${stem}-${count}.db`;
  for (const suffix of ["-wal", "-shm", ""]) {
    if (existsSync(DEFAULT_JOURNAL_PATH + suffix)) renameSync(DEFAULT_JOURNAL_PATH + suffix, aside + suffix);
  }
  return aside;
}

function isFile(path: string): boolean {
  return path !== ":memory:" && !/^(postgres(ql)?|file|sqlite):/i.test(path);
}

/** The journal's path, or its address without the password. */
function withoutPassword(journal: string | undefined): string {
  if (journal === undefined) return DEFAULT_JOURNAL_PATH;
  if (isFile(journal) || !URL.canParse(journal)) return journal;
  const url = new URL(journal);
  url.password = "";
  url.username = "";
  url.search = "";
  return url.href;
}
