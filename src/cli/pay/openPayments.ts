import { createHash } from "node:crypto";
import { link, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Hex } from "viem";
import { decodeRecord } from "../../authorization/decode.ts";
import { AuthorizationInputError, parseAuthorization } from "../../authorization/index.ts";
import type { SignedAuthorization } from "../../authorization/types.ts";
import { draftBeside, isMissing, syncFolder, writeInPlaceOf, writeNew } from "../../files.ts";
import type { Network } from "../../networks.ts";
import { CommandError, UsageError } from "../exit/errors.ts";
import { EXIT } from "../process/exitCodes.ts";
import { type ChannelPayment, isChannelPayment, readChannelPayment } from "./channelPayment.ts";
import type { Purchase } from "./request.ts";

/** A payment that was signed for a purchase, without a known outcome. */
export type OpenPayment = OpenAuthorization | OpenVoucher;

type Headers = Readonly<Record<string, string>>;

type Kept = {
  /** The URL of the purchase. */
  readonly url: string;
  /** The header that carries it, as it is sent. */
  readonly headers: Headers;
  readonly network: Network;
  /** The process that sent it last. */
  readonly pid: number;
  /** The file that keeps it. */
  readonly path: string;
};

/** A payment of the scheme exact. */
export type OpenAuthorization = Kept & { readonly scheme: "exact"; readonly authorization: SignedAuthorization };

/** A payment through a channel. */
export type OpenVoucher = Kept & {
  readonly scheme: "batch-settlement";
  readonly payment: ChannelPayment;
  /** Whether it is known that the seller charged for it. */
  readonly isCharged: boolean;
};

const FOLDER = join(".tributary", "payments");

/**
 * The open payment of a purchase, if there is one in this folder. Look here before signing again, even if the server
 * now asks for something else: the earlier payment may still settle.
 * @throws UsageError if it cannot be read, or another process is using it.
 */
export async function findOpenPayment(purchase: Purchase): Promise<OpenPayment | undefined> {
  const path = pathOf(purchase);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw unreadable(path, cause);
  }
  const open = parse(text, path);
  // A channel's account has its own lock.
  if (open.scheme === "exact" && isSentNow(open)) throw inUse(open.pid);
  return open;
}

/** The open payments of this folder that go through this channel. */
export async function findOpenVouchers(channelId: Hex): Promise<readonly OpenVoucher[]> {
  const names = await readdir(FOLDER).catch(() => []);
  const found: OpenVoucher[] = [];
  for (const name of names.filter((one) => one.endsWith(".json") && !one.startsWith("."))) {
    const path = join(FOLDER, name);
    const text = await readFile(path, "utf8").catch(() => undefined);
    const open = text === undefined ? undefined : parse(text, path);
    if (open?.scheme === "batch-settlement" && open.payment.channelId === channelId) found.push(open);
  }
  return found;
}

/**
 * Keeps a payment before it is sent: once this has returned, the payment survives a crash. One purchase has one open
 * payment, so two processes never sign for the same purchase.
 * @throws UsageError if another process was faster, or the file cannot be written. Then nothing may be sent.
 */
export async function keepOpenAuthorization(purchase: Purchase, headers: Headers): Promise<OpenAuthorization> {
  const open = await keep(purchase, headers);
  if (open.scheme !== "exact") throw unreadable(open.path, undefined);
  return open;
}

/** Like {@link keepOpenAuthorization}, for a payment through a channel. */
export async function keepOpenVoucher(purchase: Purchase, headers: Headers): Promise<OpenVoucher> {
  return asVoucher(await keep(purchase, headers));
}

async function keep(purchase: Purchase, headers: Headers): Promise<OpenPayment> {
  const path = pathOf(purchase);
  const text = serialise(purchase, headers);
  const open = readable(text, path);
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeNew(path, text);
    await syncFolder(dirname(dirname(path)));
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "EEXIST") throw inUse(undefined);
    throw new UsageError(`The payment cannot be kept in ${path}; nothing was paid.`, {
      details: cause instanceof Error ? cause.message : String(cause),
      hint: "Run it in a folder that can be written: the next run must know what was sent.",
      cause,
    });
  }
  return open;
}

/** Reads a payment as the next run would. A payment that the next run could not read must not be sent. */
function readable(text: string, path: string): OpenPayment {
  try {
    return parse(text, path);
  } catch (cause) {
    throw new CommandError("The payment that the server asks for cannot be kept; nothing was paid.", EXIT.failure, {
      details: cause instanceof UsageError ? (cause.details ?? "") : String(cause),
      hint: "Tell the seller.",
      cause,
    });
  }
}

function asVoucher(open: OpenPayment): OpenVoucher {
  if (open.scheme !== "batch-settlement") throw unreadable(open.path, undefined);
  return open;
}

/** Notes that this process is now the sender of the payment. */
export async function takeOver(purchase: Purchase, { headers, path }: OpenAuthorization): Promise<void> {
  await writeInPlaceOf(path, serialise(purchase, headers));
}

/** Keeps another voucher in place of one that the seller did not take. */
export async function replaceOpenVoucher(purchase: Purchase, headers: Headers): Promise<OpenVoucher> {
  const path = pathOf(purchase);
  const text = serialise(purchase, headers);
  await writeInPlaceOf(path, text);
  return asVoucher(parse(text, path));
}

/** Notes that the seller has charged for a payment whose answer is lost. */
export async function noteCharged({ path }: OpenVoucher): Promise<void> {
  const kept: object = JSON.parse(await readFile(path, "utf8"));
  await writeInPlaceOf(path, `${JSON.stringify({ ...kept, charged: true })}\n`);
}

/**
 * Forgets a payment before another one is signed for the same purchase.
 * @throws UsageError if another process has already done both.
 */
export async function forgetBeforeNext(open: OpenPayment): Promise<void> {
  if (!(await forget(open))) throw inUse(undefined);
}

/**
 * Forgets a payment whose outcome is known, or that its payer gives up.
 * @returns False if another process has already replaced it with its own payment, which stays.
 */
export async function forget({ path, headers }: OpenPayment): Promise<boolean> {
  const aside = draftBeside(path);
  try {
    await rename(path, aside);
  } catch (cause) {
    if (isMissing(cause)) return true;
    throw cause;
  }
  // Checked only after the rename: before it, the file could still change between check and removal.
  const found = parse(await readFile(aside, "utf8"), path);
  const isOther = Object.values(found.headers)[0] !== Object.values(headers)[0];
  if (isOther) await link(aside, path);
  await rm(aside, { force: true });
  await syncFolder(dirname(path));
  return !isOther;
}

/** One file for each purchase. Its name reveals nothing about the purchase. */
function pathOf({ url, method, data }: Purchase): string {
  const key = JSON.stringify([method.toUpperCase(), new URL(url).href, data ?? null]);
  return join(FOLDER, `${createHash("sha256").update(key).digest("hex")}.json`);
}

function serialise({ url, method }: Purchase, headers: Headers): string {
  return `${JSON.stringify({ version: 1, method, url, headers, pid: process.pid })}\n`;
}

function parse(text: string, path: string): OpenPayment {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !("headers" in value) || !("pid" in value)) throw new Error();
    const { headers, pid } = value;
    const url = "url" in value && typeof value.url === "string" ? value.url : "";
    if (typeof headers !== "object" || headers === null || typeof pid !== "number") throw new Error();
    const [entry, ...others] = Object.entries(headers);
    if (entry === undefined || others.length > 0 || typeof entry[1] !== "string") throw new Error();
    const [name, header] = entry;
    const kept = { url, headers: { [name]: header }, pid, path };
    const payload = decodeRecord(header);
    if (isChannelPayment(payload)) {
      const payment = readChannelPayment(payload);
      const isCharged = "charged" in value && value.charged === true;
      return { ...kept, scheme: "batch-settlement", network: payment.network, payment, isCharged };
    }
    const { authorization, network } = parseAuthorization(header);
    return { ...kept, scheme: "exact", network, authorization };
  } catch (cause) {
    throw unreadable(path, cause instanceof AuthorizationInputError ? cause.shortMessage : undefined);
  }
}

/**
 * Whether another running process sent the payment and may wait for the answer. Nobody waits once it has expired.
 */
function isSentNow({ pid, authorization }: OpenAuthorization): boolean {
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
    hint: "Wait for it, or run in another folder to buy the same thing twice at once.",
  });
}

function unreadable(path: string, cause: unknown): UsageError {
  return new UsageError(`${path} is not a readable record of a payment; nothing was paid.`, {
    details: cause instanceof Error ? cause.message : typeof cause === "string" ? cause : "It is damaged.",
    hint: "A payment for this request may be open: look at the payer's transfers before you remove the file.",
    cause,
  });
}
