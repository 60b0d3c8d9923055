import { concatHex, keccak256 } from "viem";
import { termsDigest } from "./identity.ts";
import { AuthorizationInputError } from "./inputError.ts";
import { type ParseContext, type ParsedAuthorization, parseAuthorization } from "./parse.ts";
import { splitLines } from "./splitLines.ts";
import type { SignedAuthorization } from "./types.ts";

/** Bytes of the longest line that is read: 1 MiB. */
export const MAX_LINE_BYTES = 2 ** 20;

/** The result for one line of a file. */
export type LineResult =
  | ({ readonly line: number; readonly status: "ok" } & ParsedAuthorization)
  | { readonly line: number; readonly status: "bad"; readonly error: AuthorizationInputError }
  | {
      readonly line: number;
      readonly status: "duplicate";
      /** The first line with these terms and this signature. */
      readonly ofLine: number;
      readonly authorization: SignedAuthorization;
    };

/**
 * Reads authorizations one per line, each in any form that {@link parseAuthorization} takes. Blank lines and a UTF-8
 * byte order mark are skipped. A bad line is reported, and reading goes on. Memory holds one line and chunk, and about
 * 150 bytes for each authorization seen.
 *
 * A line is a duplicate only if it also has the signature of an earlier one. Another line with the same payer and nonce
 * may be forged. Only verified signatures tell which of them counts, and nothing is verified here.
 *
 * A file that is one JSON array is refused with one error, and reading stops there.
 */
export async function* readAuthorizations(
  source: AsyncIterable<Uint8Array | string>,
  context: ParseContext = {},
): AsyncGenerator<LineResult> {
  const seen = new Map<string, number>();
  let isFirstRecord = true;
  for await (const split of splitLines(source, MAX_LINE_BYTES)) {
    const { line } = split;
    if (split.status === "too-long") {
      isFirstRecord = false;
      yield bad(line, `has more than ${MAX_LINE_BYTES} bytes.`, "Write one record per line.");
      continue;
    }
    const text = decodeLine(split.bytes, line);
    if (text === undefined) {
      isFirstRecord = false;
      yield bad(line, "is not UTF-8 text.", "Save the file as UTF-8.");
      continue;
    }
    if (text === "") continue;
    if (isFirstRecord && text.startsWith("[")) {
      const hint = "Write one record per line: jq -c '.[]' payments.json > payments.jsonl";
      yield bad(line, "starts a JSON array, where one record per line is expected.", hint);
      return;
    }
    isFirstRecord = false;
    yield place(line, text, context, seen);
  }
}

/** @param seen The first line of each authorization. */
function place(line: number, text: string, context: ParseContext, seen: Map<string, number>): LineResult {
  let parsed: ParsedAuthorization;
  try {
    parsed = parseAuthorization(text, context);
  } catch (error) {
    if (!(error instanceof AuthorizationInputError)) throw error;
    return { line, status: "bad", error: error.atLine(line) };
  }
  const { authorization } = parsed;
  const key = keyOf(authorization);
  const ofLine = seen.get(key);
  if (ofLine !== undefined) return { line, status: "duplicate", ofLine, authorization };
  seen.set(key, line);
  return { line, status: "ok", ...parsed };
}

/** Terms and signature as a string of 32 characters of one byte each, because a million of them may be kept. */
function keyOf(signed: SignedAuthorization): string {
  const hash = keccak256(concatHex([termsDigest(signed), signed.signature]));
  return Buffer.from(hash.slice(2), "hex").toString("latin1");
}

/** The text of a line without surrounding white space and byte order mark; undefined if it is not UTF-8. */
function decodeLine(bytes: Uint8Array, line: number): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: line !== 1 }).decode(bytes);
    return text.trim();
  } catch {
    return undefined;
  }
}

function bad(line: number, problem: string, hint: string): LineResult {
  return { line, status: "bad", error: new AuthorizationInputError("record", problem, { hint, line }) };
}
