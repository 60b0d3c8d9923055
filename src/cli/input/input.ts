import { createReadStream } from "node:fs";
import type { Address } from "viem";
import { readAuthorizations } from "../../authorization/index.ts";
import type { Network } from "../../networks.ts";
import type { JobPayment, PaymentResult } from "../../settlement/index.ts";
import type { RefusedLine } from "../../settlement/job/results.ts";
import { UsageError } from "../exit/errors.ts";
import { notice } from "../output/output.ts";
import { currentRun } from "../process/surroundings.ts";

/** A payment and the number, from 1, of its line in the input. */
export type LinePayment = JobPayment & { readonly line: number };

/** What became of a line's payment. */
export type LineResult = PaymentResult<LinePayment>;

/** A file of payments: those to settle, and the lines that hold no payment, each with the reason. */
export type PaymentsInput = { readonly payments: readonly LinePayment[]; readonly refused: readonly RefusedLine[] };

/** How many refused lines are shown one by one. All of them are in the results. */
const SHOWN = 20;

/**
 * Reads payments, one to a line, from a file or (`-`) standard input. Bad lines are reported on stderr and left out;
 * with `strict`, one bad line refuses the whole file.
 * @throws UsageError if the file cannot be read or holds no payment at all, or with `strict` if one line is bad.
 */
export async function readPayments(
  file: string,
  options: { readonly network?: Network | undefined; readonly token?: Address | undefined; readonly strict?: boolean },
): Promise<PaymentsInput> {
  const payments: LinePayment[] = [];
  const refused: RefusedLine[] = [];
  const context = {
    ...(options.network === undefined ? {} : { network: options.network }),
    ...(options.token === undefined ? {} : { token: options.token }),
  };
  try {
    for await (const result of readAuthorizations(open(file), context)) {
      if (result.status === "ok") payments.push({ line: result.line, authorization: result.authorization });
      else if (result.status === "bad") {
        const { field, problem, hint } = result.error;
        const message = hint === undefined ? problem : `${problem} ${hint}`;
        refused.push({ line: result.line, status: "invalid", field, message });
      } else {
        const message = `the same authorization as line ${result.ofLine}`;
        refused.push({ line: result.line, status: "duplicate", field: "nonce", message });
      }
    }
  } catch (cause) {
    if (!isFileError(cause)) throw cause;
    throw new UsageError(`${file} cannot be read (${cause.code}).`, { hint: "Check the path of the file.", cause });
  }

  for (const { line, field, message } of refused.slice(0, SHOWN)) notice(`line ${line}: ${field}: ${message}`);
  if (refused.length > SHOWN) notice(`… and ${refused.length - SHOWN} more lines like these`);
  if (options.strict === true && refused.length > 0) {
    throw new UsageError(`${refused.length} lines of ${file} hold no payment to settle; nothing was sent.`, {
      hint: "Fix or remove them, or leave out --strict to settle the others.",
    });
  }
  if (payments.length === 0) {
    throw new UsageError(`${file} holds no payment to settle.`, {
      hint: "Write one authorization, x402 payload or x402 header per line; tributary sign makes such a file.",
    });
  }
  return { payments, refused };
}

function open(file: string): AsyncIterable<Uint8Array | string> {
  return file === "-" ? currentRun().stdin : createReadStream(file);
}

function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error && "syscall" in error;
}
