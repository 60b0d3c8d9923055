import { randomBytes } from "node:crypto";
import { constants, existsSync, lstatSync, openSync, readFileSync, rmSync } from "node:fs";
import { type FileHandle, link, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { TributaryError } from "./errors.ts";

/** Files are for their owner only: payments, keys and their histories concern nobody else on the machine. */
const OWNER_ONLY = 0o600;

/** The path holds something that this program would not have written: a link, a device, or another user's file. */
export class ForeignFileError extends TributaryError {
  override readonly name = "ForeignFileError";

  constructor(path: string, what: string) {
    super(`${path} is ${what}, and was left as it is.`, { hint: "Remove it, or give another path." });
  }
}

/**
 * Creates a new file, for its owner only. Anything that is already at `path`, even a link, is never opened.
 * @throws The system's error; `EEXIST` if something is there.
 */
export function openNew(path: string): Promise<FileHandle> {
  return open(path, "wx", OWNER_ONLY);
}

/** A path beside `path` that nobody can guess, for a file that replaces it once it is complete. */
export function draftBeside(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(8).toString("hex")}.tmp`);
}

/**
 * Opens a draft of a known name for writing, empty. A file that an ended process left there is removed, if it is this
 * user's plain file. The draft itself is a new file.
 * @throws ForeignFileError if anything else is there, otherwise the system's error.
 */
export function openDraft(path: string): number {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found !== undefined) {
    requireOwn(path, found);
    rmSync(path);
  }
  return openSync(path, "wx", OWNER_ONLY);
}

/**
 * Opens a file for reading and appending. If it is not there, it is created for its owner only.
 * @throws ForeignFileError if a link, a device or another user's file is there, otherwise the system's error.
 */
export async function openForAppending(path: string): Promise<FileHandle> {
  const { O_APPEND, O_CREAT, O_EXCL, O_RDWR } = constants;
  // Windows has neither such links nor this flag.
  const noFollow = constants.O_NOFOLLOW ?? 0;
  try {
    return await open(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL, OWNER_ONLY);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
  requireOwn(path, lstatSync(path));
  const file = await open(path, O_RDWR | O_APPEND | noFollow);
  try {
    // Checked again, on the file that is now open.
    requireOwn(path, await file.stat());
  } catch (error) {
    await file.close();
    throw error;
  }
  return file;
}

/**
 * Writes a new file for its owner only. It appears whole or not at all, and survives a crash once this has returned.
 * @throws The system's error; `EEXIST` if something is at `path`.
 */
export function writeNew(path: string, content: string): Promise<void> {
  // A link, unlike a rename, never replaces a file that is there.
  return writeDraft(path, content, link);
}

/** The same, but it replaces what is at `path`. A link there is replaced, not followed. */
export function writeInPlaceOf(path: string, content: string): Promise<void> {
  return writeDraft(path, content, rename);
}

async function writeDraft(
  path: string,
  content: string,
  place: (from: string, to: string) => Promise<void>,
): Promise<void> {
  const draft = draftBeside(path);
  try {
    const file = await openNew(draft);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await place(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
  await syncFolder(dirname(path));
}

/** Makes the names in a folder durable, on systems where a folder can be opened. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    await handle.sync().finally(() => handle.close());
  } catch {
    // Windows cannot do this. The content is flushed all the same.
  }
}

function requireOwn(path: string, found: { isSymbolicLink(): boolean; isFile(): boolean; uid: number }): void {
  if (found.isSymbolicLink()) throw new ForeignFileError(path, "a symbolic link");
  if (!found.isFile()) throw new ForeignFileError(path, "not a plain file");
  const user = process.getuid?.();
  if (user !== undefined && found.uid !== user) throw new ForeignFileError(path, "another user's file");
}

/** Whether a file is not there, by the error of a call that needs it. */
export function isMissing(error: unknown): boolean {
  return codeOf(error) === "ENOENT";
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}

/** The version in this package's package.json. That file is above this one, and further up once compiled. */
export function packageVersion(): string {
  for (let folder = new URL(".", import.meta.url); folder.pathname !== "/"; folder = new URL("..", folder)) {
    const file = new URL("package.json", folder);
    if (!existsSync(file)) continue;
    const content: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (typeof content !== "object" || content === null || !("version" in content)) continue;
    return String(content.version);
  }
  return "unknown";
}
