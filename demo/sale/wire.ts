import { isHex, size } from "viem";

/** Decodes an x402 header: base64 of JSON. Undefined if it cannot be decoded. */
export function decodeHeader(header: string | null): unknown {
  if (header === null) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(header, "base64").toString("utf8"));
    return value;
  } catch {
    return undefined;
  }
}

/** The longest hex that is shown in full: hashes, nonces and addresses fit, signatures and other long blobs do not. */
const SHOWN_BYTES = 32;
const SHOWN_DIGITS = 10;

/** A message as lines of `field  value`. Nested fields are joined by dots, long bytes are shortened. */
export function describeMessage(message: unknown): [field: string, value: string][] {
  const lines: [string, string][] = [];
  const visit = (path: string, value: unknown): void => {
    if (typeof value === "object" && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        if (inner !== undefined) visit(path === "" ? key : `${path}.${key}`, inner);
      }
    } else lines.push([path, shown(value)]);
  };
  visit("", message);
  return lines;
}

function shown(value: unknown): string {
  const text = String(value);
  if (!isHex(text) || size(text) <= SHOWN_BYTES) return text;
  return `${text.slice(0, 2 + SHOWN_DIGITS)}… (${size(text)} bytes)`;
}
