import type { Address, Hex } from "viem";
import type { DoctorCheck } from "../../doctor/index.ts";
import { TributaryError } from "../../errors.ts";
import { openNew, packageVersion, writeInPlaceOf } from "../../files.ts";
import type { MinedTransaction, PaymentOutcome } from "../../settlement/index.ts";
import { CommandError, UsageError } from "../exit/errors.ts";
import { EXIT } from "../process/exitCodes.ts";

/** Several transactions together. Fees in wei; `feeWei` counts the data fee of an OP-stack chain too. */
export type Cost = {
  readonly transactions: number;
  readonly gas: bigint;
  readonly feeWei: bigint;
  readonly dataFeeWei: bigint;
};

/** What a trial of a network reports. It holds no key, no signature and no node's URL. */
type Told = {
  readonly tributary: string;
  readonly startedAt: string;
  readonly endedAt: string;
  readonly network: {
    readonly name: string;
    readonly chainId: number;
    readonly isDevelopment: boolean;
    /** The node's name for itself. */
    readonly node: string | null;
  };
  readonly addresses: {
    readonly sender: Address;
    readonly payee: Address;
    readonly token: Address;
    readonly router: Address;
  };
  /** The newest results of the doctor. */
  readonly checks: readonly DoctorCheck[];
  /** Absent if the router was already there. */
  readonly deployment: {
    readonly transaction: Hex | null;
    readonly predictedGas: bigint | null;
    readonly used: Cost | null;
  };
  readonly settlement: {
    readonly predicted: (Cost & { readonly gasPriceWei: bigint }) | null;
    readonly used: Cost | null;
    readonly transactions: readonly MinedTransaction[];
    readonly payments: readonly { readonly value: bigint; readonly nonce: Hex; readonly outcome: PaymentOutcome }[];
    readonly balances: unknown;
  };
  readonly error: { readonly message: string; readonly details: string | null };
};

/** The file that a trial writes its report to. */
export type Transcript = {
  /** Adds a part. The file is complete after every note, so a killed trial leaves a report of what it did. */
  readonly note: (part: Partial<Told>) => Promise<void>;
  readonly fail: (error: unknown) => Promise<void>;
};

/**
 * Starts a transcript in a new file that only its owner can read.
 * @throws UsageError if something is at `path`, or the file cannot be made.
 */
export async function openTranscript(path: string): Promise<Transcript> {
  try {
    await (await openNew(path)).close();
  } catch (cause) {
    const code = codeOf(cause);
    if (code === "EEXIST") {
      throw new UsageError(`${path} exists and was left as it is; nothing was sent.`, {
        hint: "Choose another name for --report.",
        cause,
      });
    }
    throw new UsageError(`The report cannot be written to ${path}; nothing was sent.`, { details: code, cause });
  }
  let known: Partial<Told> = {};
  const note = async (part: Partial<Told>): Promise<void> => {
    known = { ...known, ...part };
    await writeInPlaceOf(path, `${JSON.stringify(known, decimal, 2)}\n`).catch((cause: unknown) => {
      throw new CommandError(`The report could not be written to ${path}.`, EXIT.failure, {
        details: codeOf(cause),
        hint: "The lines above say what was sent so far.",
        cause,
      });
    });
  };
  await note({ tributary: packageVersion(), startedAt: now() });
  return {
    note,
    fail: (error) => {
      // An error of another library may show the node's URL, and a key in it.
      const isOwn = error instanceof TributaryError;
      const message = isOwn ? error.shortMessage : "Something unexpected failed.";
      return note({ error: { message, details: (isOwn ? error.details : undefined) ?? null }, endedAt: now() });
    },
  };
}

export function now(): string {
  return new Date().toISOString();
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

/** JSON has no bigints. */
function decimal(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
