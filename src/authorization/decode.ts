import { AuthorizationInputError } from "./inputError.ts";

/** The most characters of a record that is read: 1 Mi. Real ones have about a thousand. */
const MAX_RECORD_CHARACTERS = 2 ** 20;

const hint = "Give one JSON object, or the base64 value of an X-PAYMENT or PAYMENT-SIGNATURE header and nothing else.";

/**
 * Decodes the text of a record into its object: JSON, base64 of JSON (padded or not, either alphabet), or a JSON string
 * that holds such base64.
 *
 * @throws AuthorizationInputError with the field `record`.
 */
export function decodeRecord(text: string): unknown {
  if (text.length > MAX_RECORD_CHARACTERS) {
    throw bad(`has ${text.length} characters, more than the ${MAX_RECORD_CHARACTERS} allowed.`);
  }
  const trimmed = text.trim();
  if (trimmed === "") throw bad("is empty.");
  if (/^[{[]/.test(trimmed)) return parseJson(trimmed, "is not valid JSON.");
  if (!trimmed.startsWith('"')) return decodeBase64(trimmed);
  const inner = parseJson(trimmed, "is not valid JSON.");
  if (typeof inner !== "string") throw bad("is not valid JSON.");
  return decodeBase64(inner);
}

function decodeBase64(text: string): unknown {
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(text)) throw bad("is neither JSON nor base64.");
  return parseJson(decodeUtf8(Buffer.from(text, "base64")), "is base64, but not of valid JSON.");
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw bad("is base64, but not of UTF-8 text.");
  }
}

function parseJson(json: string, problem: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    // The parser's own message quotes the input, signatures included.
    throw bad(problem);
  }
}

function bad(problem: string): AuthorizationInputError {
  return new AuthorizationInputError("record", problem, { hint });
}
