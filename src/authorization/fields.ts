import { type Address, checksumAddress, type Hex, isAddress, isHex } from "viem";
import { z } from "zod";
import { TributaryError } from "../errors.ts";
import { parseAtomic } from "../money.ts";

/** Bytes of the longest signature that is read. The router carries none that is longer. */
export const MAX_SIGNATURE_BYTES = 8192;

/** What is wrong with the value of one field. The field's path is added where it is known. */
class FieldError extends TributaryError {
  override readonly name = "FieldError";
}

/** A schema that reads one required field with `read`. */
function field<Value>(read: (input: unknown) => Value) {
  return optionalField<Value>((input) => {
    if (input === undefined) throw new FieldError("is missing.", { hint: "Add it: nothing can stand in for it." });
    return read(input);
  });
}

/** A schema that reads one field with `read`, which gets undefined if the field is missing. Errors become issues. */
function optionalField<Value>(read: (input: unknown) => Value) {
  return z.unknown().transform((input, context) => {
    try {
      return read(input);
    } catch (error) {
      if (!(error instanceof TributaryError)) throw error;
      context.addIssue({ code: "custom", message: error.shortMessage, params: { hint: error.hint } });
      return z.NEVER;
    }
  });
}

function optional<Value>(read: (input: unknown) => Value) {
  return optionalField((input) => (input === undefined ? undefined : read(input)));
}

/** A schema of an object. Only its own properties are read; unknown ones are ignored. */
export function record<Shape extends z.ZodRawShape>(shape: Shape) {
  const keys = Object.keys(shape);
  return z.preprocess(
    (input) => (isRecord(input) ? Object.fromEntries(keys.map((key) => [key, own(input, key)])) : input),
    z.object(shape, { error: (issue) => (issue.input === undefined ? "is missing." : "is not an object.") }),
  );
}

/** Whether `input` is an object in the sense of JSON. */
export function isRecord(input: unknown): input is object {
  return typeof input === "object" && input !== null && !Array.isArray(input);
}

/** The own property `key` of `object`. Inherited ones do not count. */
export function own(object: object, key: string): unknown {
  return Object.getOwnPropertyDescriptor(object, key) === undefined ? undefined : Reflect.get(object, key);
}

/** A whole number of atomic units or seconds, see {@link parseAtomic}. */
export const wholeNumber = field(parseAtomic);
export const optionalWholeNumber = optional(parseAtomic);

/** An address in one case or with a right EIP-55 checksum; the result is checksummed. */
export const address = field(readAddress);
export const optionalAddress = optional(readAddress);

/** 32 bytes in hexadecimal; the result is in lower case. */
export const bytes32 = field((input) => readHex(input, 32));

/** A signature of at most {@link MAX_SIGNATURE_BYTES} bytes in hexadecimal; the result is in lower case. */
export const signature = field((input) => {
  const hex = readHex(input);
  const bytes = (hex.length - 2) / 2;
  if (bytes > MAX_SIGNATURE_BYTES) {
    throw new FieldError(`has ${bytes} bytes, more than the ${MAX_SIGNATURE_BYTES} that can be settled.`, {
      hint: "No wallet needs a signature this long: check how the record was written.",
    });
  }
  return hex;
});

/** The recovery value of an ECDSA signature: 0, 1, 27 or 28 as a number, in decimal or in hexadecimal. */
export const recoveryValue = field((input) => {
  const number = typeof input === "string" && /^0x[0-9a-fA-F]{1,2}$/.test(input) ? Number.parseInt(input, 16) : input;
  const v = parseAtomic(number);
  if (v !== 0n && v !== 1n && v !== 27n && v !== 28n) {
    throw new FieldError("is not 0, 1, 27 or 28.", {
      hint: "Give the 65-byte `signature` instead of v, r and s.",
    });
  }
  return Number(v);
});

/** Text of moderate length. */
export const text = field(readText);
export const optionalText = optional(readText);

/** The one x402 scheme that can be settled in batches here. */
export const exactScheme = field((input) => {
  if (input === "exact") return input;
  throw new FieldError(`${typeof input === "string" ? quote(input) : kindOf(input)} is not supported.`, {
    hint: 'Only EIP-3009 payments of the scheme "exact" can be settled.',
  });
});

/** `value` in a form that an error may show: short, and on one line. */
export function quote(value: string): string {
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
}

function readText(input: unknown): string {
  if (input === "") throw new FieldError("is empty.");
  if (typeof input !== "string") throw new FieldError(`is ${kindOf(input)} where text is expected.`);
  if (input.length > 1024) throw new FieldError(`has ${input.length} characters, more than the 1024 allowed.`);
  return input;
}

function readAddress(input: unknown): Address {
  if (typeof input !== "string") throw new FieldError(`is ${kindOf(input)} where an address is expected.`);
  if (!isAddress(input, { strict: false })) {
    throw new FieldError(`${quote(input)} is not an address.`, { hint: "An address is 0x and 40 hexadecimal digits." });
  }
  const digits = input.slice(2);
  const checksummed = checksumAddress(lowerHex(input));
  const hasChecksum = digits !== digits.toLowerCase() && digits !== digits.toUpperCase();
  if (hasChecksum && input !== checksummed) {
    throw new FieldError(`${input} has a wrong checksum (EIP-55).`, {
      hint: "A digit or its case was changed: copy the address again from its source.",
    });
  }
  return checksummed;
}

function readHex(input: unknown, bytes?: number): Hex {
  const expected = bytes === undefined ? "bytes in hexadecimal" : `${bytes} bytes in hexadecimal`;
  if (typeof input !== "string") throw new FieldError(`is ${kindOf(input)} where ${expected} are expected.`);
  // The value is not shown, because it may be part of a signature.
  if (!isHex(input) || input.length % 2 !== 0) {
    throw new FieldError(`is not hexadecimal.`, { hint: `Write ${expected}: 0x and two digits for each.` });
  }
  const length = (input.length - 2) / 2;
  if (bytes !== undefined && length !== bytes) {
    throw new FieldError(`has ${length} bytes where ${bytes} are expected.`, {
      hint: `Write ${expected}: 0x and ${2 * bytes} digits.`,
    });
  }
  return lowerHex(input);
}

function lowerHex(input: Hex): Hex {
  return `0x${input.slice(2).toLowerCase()}`;
}

function kindOf(input: unknown): string {
  if (input === null) return "null";
  return Array.isArray(input) ? "an array" : `of type ${typeof input}`;
}
