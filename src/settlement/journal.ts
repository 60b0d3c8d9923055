import { closeSync, existsSync, fsyncSync, openSync, readFileSync, truncateSync, writeSync } from "node:fs";
import type { Address, Hex } from "viem";
import { z } from "zod";
import { TributaryError } from "../errors.ts";

/** A transaction that a job signed, kept before its bytes leave: whatever happens then, the next run can find it. */
export type SentTransaction = {
  readonly hash: Hex;
  readonly raw: Hex;
  readonly txNonce: number;
  readonly from: Address;
  readonly chainId: number;
  /** The router and batch id of a batch; undefined for a payment that went to the token directly. */
  readonly batch: { readonly router: Address; readonly batchId: Hex } | undefined;
  /** Identities (`authorizationId`) of what it carries, in order. */
  readonly ids: readonly string[];
};

/** A journal that cannot be read or written. What could not be written was not sent. */
export class JournalError extends TributaryError {
  override readonly name = "JournalError";
}

const hex = z.custom<Hex>((value) => typeof value === "string" && /^0x[0-9a-f]*$/i.test(value));
const sentSchema = z.object({
  hash: hex,
  raw: hex,
  txNonce: z.number().int().nonnegative(),
  from: hex,
  chainId: z.number().int().positive(),
  batch: z.object({ router: hex, batchId: hex }).optional(),
  ids: z.array(z.string()),
});

/**
 * The transactions that earlier runs signed, in order. A last line that a crash cut short was never broadcast (its bytes
 * are synced first), so it is removed.
 */
export function readJournal(path: string): SentTransaction[] {
  if (!existsSync(path)) return [];
  const text = readText(path);
  const lines = text.split("\n");
  const sent: SentTransaction[] = [];
  for (const [index, line] of lines.entries()) {
    if (line === "") continue;
    try {
      const { batch, ...rest } = sentSchema.parse(JSON.parse(line));
      sent.push({ ...rest, batch });
    } catch (cause) {
      if (index === lines.length - 1) {
        truncateSync(path, Buffer.byteLength(text) - Buffer.byteLength(line));
        break;
      }
      throw new JournalError(`Line ${index + 1} of the journal ${path} is damaged.`, {
        hint: "Restore the file, or move it away: payments that settled are then found on the chain by their nonces.",
        cause,
      });
    }
  }
  return sent;
}

/** Appends a transaction and syncs it to the disk before it returns. Call it before the bytes are broadcast. */
export function appendJournal(path: string, transaction: SentTransaction): void {
  let file: number | undefined;
  try {
    file = openSync(path, "a", 0o600);
    writeSync(file, `${JSON.stringify(transaction)}\n`);
    fsyncSync(file);
  } catch (cause) {
    throw unwritable(path, cause);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/**
 * A job's journal in a file; undefined keeps it in memory, for a job that nobody will resume.
 * @throws JournalError where the file cannot be read, or cannot be written.
 */
export function openJournal(path: string | undefined): {
  readonly sent: readonly SentTransaction[];
  readonly append: (transaction: SentTransaction) => void;
} {
  if (path === undefined) return { sent: [], append: () => undefined };
  const sent = readJournal(path);
  try {
    closeSync(openSync(path, "a", 0o600));
  } catch (cause) {
    throw unwritable(path, cause);
  }
  return { sent, append: (transaction) => appendJournal(path, transaction) };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new JournalError(`The journal ${path} cannot be read.`, {
      hint: "Mend its permissions, or name another file with --journal.",
      cause,
    });
  }
}

function unwritable(path: string, cause: unknown): JournalError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
  return new JournalError(`The journal ${path} cannot be written, and nothing is sent without it.`, {
    hint: "Free some disk space or mend the folder's permissions, then run the command again.",
    ...(code === undefined ? {} : { details: code }),
    cause,
  });
}
