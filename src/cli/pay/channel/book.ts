import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Hex } from "viem";
import { bytes32, record, wholeNumber } from "../../../authorization/fields.ts";
import { uint128 } from "../../../channels/wire.ts";
import { isMissing, openForAppending, syncFolder, writeInPlaceOf } from "../../../files.ts";
import { nodeTooOld } from "../../../nodeVersion.ts";
import { UsageError } from "../../exit/errors.ts";
import { notice, toJson } from "../../output/output.ts";
import type { ChannelPayment, Deposit } from "../channelPayment.ts";

/** A channel by its terms. */
export type Channel = Pick<ChannelPayment, "channelId" | "config" | "network">;

/** What a buyer knows of one of their channels. Amounts in atomic units, over the channel's whole life. */
export type Account = {
  /** What the seller has charged. */
  readonly charged: bigint;
  /**
   * The highest ceiling of a voucher whose outcome is known. Any charge above it was for an open payment.
   */
  readonly ceiling: bigint;
  /** The newest deposit that was made according to the seller. A node may not have it yet. */
  readonly deposit: Deposit | undefined;
};

/** The account of one channel on disk. While it is open, no other process on this machine has it. */
export type ChannelBook = {
  readonly channelId: Hex;
  readonly account: () => Account | undefined;
  /** Once this has returned, the account survives a crash. */
  readonly keep: (account: Account) => Promise<void>;
  readonly close: () => void;
};

const FOLDER = join(".tributary", "channels");

const schema = record({
  genesis: bytes32.optional(),
  charged: uint128,
  ceiling: uint128,
  deposit: record({ amount: uint128, nonce: bytes32, validBefore: wholeNumber }).optional(),
});

/**
 * Opens the account of a channel in this folder for this process alone. If the process is killed, the account is free
 * again.
 * @param genesis The hash of the chain's first block; undefined if no node gave it. With it, an account of another
 * chain with this id (a local chain that began anew) is ignored.
 * @throws UsageError if another process has it, or it cannot be read.
 */
export async function openChannelBook(
  { channelId, config, network }: Channel,
  genesis: Hex | undefined,
): Promise<ChannelBook> {
  // It is locked by SQLite, which an old Node does not have.
  const tooOld = nodeTooOld("A payment through a channel");
  if (tooOld !== undefined) throw new UsageError(`${tooOld.shortMessage} Nothing was paid.`, tooOld);
  const path = join(FOLDER, `${channelId}.json`);
  let release: () => void;
  try {
    await mkdir(FOLDER, { recursive: true, mode: 0o700 });
    await syncFolder(FOLDER);
    release = await lock(join(FOLDER, `${channelId}.lock`));
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    throw new UsageError(`The channel's account cannot be kept in ${path}; nothing was paid.`, {
      details: cause instanceof Error ? cause.message : String(cause),
      hint: "Run it in a folder that can be written: the next run must know what was signed.",
      cause,
    });
  }
  let kept: Awaited<ReturnType<typeof read>>;
  try {
    kept = await read(path);
  } catch (error) {
    release();
    throw error;
  }
  const isOther = genesis !== undefined && kept !== undefined && kept.genesis !== genesis;
  if (isOther) notice(`notice: the chain began anew, and channel ${channelId} with it`);
  const first = genesis ?? kept?.genesis;
  let account = isOther ? undefined : kept?.account;
  return {
    channelId,
    account: () => account,
    keep: async (next) => {
      // The terms are kept for the payer: with them, they can withdraw from the channel without the seller.
      const terms = { network: network.caip2, genesis: first, terms: config };
      await writeInPlaceOf(path, `${toJson({ version: 1, ...terms, ...next })}\n`);
      account = next;
    },
    close: release,
  };
}

async function read(path: string): Promise<{ account: Account; genesis: Hex | undefined } | undefined> {
  try {
    const { genesis, charged, ceiling, deposit } = schema.parse(JSON.parse(await readFile(path, "utf8")));
    return { account: { charged, ceiling, deposit }, genesis };
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): UsageError {
  return new UsageError(`${path} is not a readable account of a channel; nothing was paid.`, {
    hint: "Remove it if you cannot restore it: the next run asks the chain and the seller what is in the channel.",
    cause,
  });
}

/** Takes SQLite's lock on an empty database. The system frees it when the process ends, however it ends. */
async function lock(path: string): Promise<() => void> {
  const { DatabaseSync } = await import("node:sqlite");
  await openForAppending(path).then((file) => file.close());
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    database.close();
    if (!(cause instanceof Error) || !("errcode" in cause) || cause.errcode !== SQLITE_BUSY) throw cause;
    throw new UsageError("Another process is paying through the same channel from this folder; nothing was paid.", {
      hint: "Wait for it: a channel carries one payment at a time.",
      cause,
    });
  }
  return () => database.close();
}

const SQLITE_BUSY = 5;
