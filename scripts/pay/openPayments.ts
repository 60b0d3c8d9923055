import { createHash } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AuthorizationInputError, parseAuthorization } from "../../src/authorization/index.ts";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import { syncFolder, writeInPlaceOf, writeNew } from "../../src/files.ts";
import type { Network } from "../../src/networks.ts";
import { UsageError } from "../cli/errors.ts";

/** What somebody wants to buy: one request of a server. */
export type Purchase = { readonly url: string; readonly method: string; readonly data?: string | undefined };

/** A payment that was signed for a purchase and whose outcome nobody has told. */
export type OpenPayment = {
  /** The header that carries it, as it was or will be sent. */
  readonly headers: Readonly<Record<string, string>>;
  readonly authorization: SignedAuthorization;
  readonly network: Network;
  /** The process that sent it last. */
  readonly pid: number;
  /** Where it is kept. */
  readonly path: string;
};

const FOLDER = join(".tributary", "payments");

/**
 * The open payment of a purchase, if there is one in this folder. Whoever buys the same asks here first, whatever the server
 * asks by now: what was signed before may settle still.
 * @throws UsageError where it cannot be read, or another process is at it.
 */
export async function findOpenPayment(purchase: Purchase): Promise<OpenPayment | undefined> {
  const path = pathOf(purchase);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw unreadable(path, cause);
  }
  const open = parse(text, path);
  if (isSentNow(open)) throw inUse(open.pid);
  return open;
}

/**
 * Keeps a payment before it is sent: once this has returned it survives a crash. One purchase has one open payment, so that
 * two processes never sign for the same.
 * @throws UsageError where another process was faster, or it cannot be written: nothing may be sent then.
 */
export async function keepOpenPayment(
  purchase: Purchase,
  headers: Readonly<Record<string, string>>,
): Promise<OpenPayment> {
  const path = pathOf(purchase);
  const text = serialise(purchase, headers);
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeNew(path, text);
    await syncFolder(dirname(dirname(path)));
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "EEXIST") throw inUse(undefined);
    throw new UsageError(`The payment cannot be kept in ${path}; nothing was paid.`, {
      details: cause instanceof Error ? cause.message : String(cause),
      hint: "Run it in a folder that can be written: what is sent must be known to the next run.",
      cause,
    });
  }
  return parse(text, path);
}

/** Notes that this process sends the payment now. */
export async function takeOver(purchase: Purchase, { headers, path }: OpenPayment): Promise<void> {
  await writeInPlaceOf(path, serialise(purchase, headers));
}

/** Forgets a payment whose outcome is known, or that its payer gives up. */
export async function forget({ path }: OpenPayment): Promise<void> {
  await rm(path, { force: true });
  await syncFolder(dirname(path));
}

/** Of each purchase one file, whose name tells nothing of it. */
function pathOf({ url, method, data }: Purchase): string {
  const key = JSON.stringify([method.toUpperCase(), new URL(url).href, data ?? null]);
  return join(FOLDER, `${createHash("sha256").update(key).digest("hex")}.json`);
}

function serialise({ url, method }: Purchase, headers: Readonly<Record<string, string>>): string {
  return `${JSON.stringify({ version: 1, method, url, headers, pid: process.pid })}\n`;
}

function parse(text: string, path: string): OpenPayment {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !("headers" in value) || !("pid" in value)) throw new Error();
    const { headers, pid } = value;
    if (typeof headers !== "object" || headers === null || typeof pid !== "number") throw new Error();
    const [entry, ...others] = Object.entries(headers);
    if (entry === undefined || others.length > 0 || typeof entry[1] !== "string") throw new Error();
    const [name, header] = entry;
    const { authorization, network } = parseAuthorization(header);
    return { headers: { [name]: header }, authorization, network, pid, path };
  } catch (cause) {
    throw unreadable(path, cause instanceof AuthorizationInputError ? cause.shortMessage : undefined);
  }
}

/** Whether a living process sent it and may wait for the answer: it is worth nothing to it once it has expired. */
function isSentNow({ pid, authorization }: OpenPayment): boolean {
  if (pid === process.pid || authorization.validBefore * 1000n <= BigInt(Date.now())) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function inUse(pid: number | undefined): UsageError {
  const who = pid === undefined ? "Another process" : `Another process (${pid})`;
  return new UsageError(`${who} is paying for the same request from this folder; nothing was paid.`, {
    hint: "Wait for it, or buy from another folder what you want twice at once.",
  });
}

function unreadable(path: string, cause: unknown): UsageError {
  return new UsageError(`${path} is no record of a payment that can be read; nothing was paid.`, {
    details: cause instanceof Error ? cause.message : typeof cause === "string" ? cause : "It is damaged.",
    hint: "A payment for this request may be open: look at the payer's transfers before you remove the file.",
    cause,
  });
}
