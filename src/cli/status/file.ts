import { createReadStream } from "node:fs";
import type { Address } from "viem";
import { authorizationId, type LineResult, readAuthorizations, termsDigest } from "../../authorization/index.ts";
import type { Journal, PaymentRow } from "../../journal/index.ts";
import { STATES } from "../../journal/ports/payments.ts";
import type { Network } from "../../networks.ts";
import { UsageError } from "../exit/errors.ts";
import { printLine, streamLine, toJson } from "../output/output.ts";
import { paintState } from "../output/paymentState.ts";
import { evidenceText, paymentJson } from "../output/paymentText.ts";
import { fold, widthOf } from "../output/terminal.ts";
import { EXIT } from "../process/exitCodes.ts";
import { currentRun } from "../process/surroundings.ts";

export type FileOptions = {
  readonly network?: Network;
  readonly token?: Address;
  readonly all?: true;
  readonly json?: true;
};

/** How many lines are shown without `--all`. With the summary, they fit on a screen. */
export const LINES_SHOWN = 20;
const LINES_AT_ONCE = 500;

/** A line of a file: the row of its payment, or why the line is not a payment. */
type FileLine =
  | { readonly line: number; readonly nonce: string; readonly row: PaymentRow | undefined }
  | { readonly line: number; readonly field: string; readonly problem: string };

/** The lines of a file, in order. The journal is asked about some hundred of them at once. */
async function* readFileLines(journal: Journal, file: string, options: FileOptions): AsyncGenerator<FileLine, void> {
  const context = {
    ...(options.network === undefined ? {} : { network: options.network }),
    ...(options.token === undefined ? {} : { token: options.token }),
  };
  let some: LineResult[] = [];
  for await (const result of readAuthorizations(createReadStream(file), context)) {
    some.push(result);
    if (some.length < LINES_AT_ONCE) continue;
    yield* await lookUp(journal, some);
    some = [];
  }
  yield* await lookUp(journal, some);
}

async function lookUp(journal: Journal, results: readonly LineResult[]): Promise<FileLine[]> {
  const authorizations = results.flatMap((result) => (result.status === "bad" ? [] : [result.authorization]));
  const rows = await journal.withIdentities(authorizations.map(authorizationId));
  const byDigest = new Map(rows.map((row) => [row.digest, row]));
  return results.map((result): FileLine => {
    const { line } = result;
    if (result.status === "bad") return { line, field: result.error.field, problem: result.error.problem };
    const { authorization } = result;
    return { line, nonce: authorization.nonce, row: byDigest.get(termsDigest(authorization)) };
  });
}

/**
 * Shows what the journal knows of each line of a file, in order: the summary, then at most {@link LINES_SHOWN} lines
 * without `all`. As JSON, it prints every line. The exit code says whether a line is not in the journal.
 * @throws UsageError if the file cannot be read.
 */
export async function showFile(journal: Journal, file: string, options: FileOptions): Promise<void> {
  const tally = new Map<string, number>();
  const shown: string[] = [];
  let [lines, unknown] = [0, 0];
  try {
    for await (const line of readFileLines(journal, file, options)) {
      lines += 1;
      if ("row" in line && line.row === undefined) unknown += 1;
      const state = stateOf(line);
      tally.set(state, (tally.get(state) ?? 0) + 1);
      if (options.json === true) await streamLine(toJson(lineJson(line)));
      else if (options.all === true || lines <= LINES_SHOWN) shown.push(lineText(line));
    }
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && "syscall" in cause)) throw cause;
    throw new UsageError(`${file} is neither a payment nor a file that can be read (${String(cause.code)}).`, {
      hint: "Give a payment's number, nonce, identity or request id, the hash of a transaction, or the path of a file.",
      cause,
    });
  }
  if (options.json !== true) {
    printLine(summaryOf(tally) || "the file is empty");
    for (const text of shown) await streamLine(fold(text, widthOf()));
    if (lines > shown.length)
      printLine(`… and ${lines - shown.length} more lines (--all shows them, and so does --json)`);
  }
  if (unknown > 0) currentRun().exitCode = EXIT.unknown;
}

const UNKNOWN = "not in the journal";
const BAD = "bad line";

function stateOf(line: FileLine): string {
  if ("field" in line) return BAD;
  return line.row?.state ?? UNKNOWN;
}

/** `4 settled, 1 rejected`, in the order of a payment's life. */
function summaryOf(tally: ReadonlyMap<string, number>): string {
  return [...STATES, UNKNOWN, BAD]
    .flatMap((state) => (tally.has(state) ? [`${tally.get(state)} ${state}`] : []))
    .join(", ");
}

function lineText(line: FileLine): string {
  if ("field" in line) return `${line.line}  ${BAD}: ${line.field} ${line.problem}`;
  const { row } = line;
  if (row === undefined) return `${line.line}  ${UNKNOWN}`;
  return `${line.line}  payment ${row.id}  ${paintState(row.state)}: ${evidenceText(row.evidence)}`;
}

function lineJson(of: FileLine): object {
  const { line } = of;
  if ("field" in of) return { line, state: "invalid", field: of.field, message: of.problem };
  return { line, ...(of.row === undefined ? { state: null, nonce: of.nonce } : paymentJson(of.row)) };
}
