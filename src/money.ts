import { maxUint256 } from "viem";
import { TributaryError } from "./errors.ts";

/** An amount that cannot be read. */
export class AmountError extends TributaryError {
  override readonly name = "AmountError";
}

/**
 * Reads a decimal amount of whole tokens, e.g. `parseAmount("0.001", 6)` is `1000n` atomic units.
 *
 * @throws AmountError for anything but digits with at most one point: a sign, an exponent, hexadecimal, separators,
 * more decimals than the token has, or more than 2^256 − 1 atomic units.
 */
export function parseAmount(text: string, decimals: number): bigint {
  const match = /^([0-9]*)(?:\.([0-9]*))?$/.exec(text);
  const whole = match?.[1] ?? "";
  const fraction = match?.[2] ?? "";
  if (match === null || whole + fraction === "") {
    throw unreadable("amount", text, "Write a decimal amount such as 0.001.");
  }
  if (fraction.length > decimals) {
    throw new AmountError(`The amount ${quote(text)} has ${fraction.length} decimals; the token has ${decimals}.`, {
      hint: `Round it to ${decimals} decimals.`,
    });
  }
  return bounded("amount", whole + fraction.padEnd(decimals, "0"));
}

/** Writes atomic units as a decimal amount without trailing zeros, e.g. `formatAmount(1000n, 6)` is `"0.001"`. */
export function formatAmount(atomic: bigint, decimals: number): string {
  const digits = (atomic < 0n ? -atomic : atomic).toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, "");
  return `${atomic < 0n ? "-" : ""}${whole}${fraction === "" ? "" : `.${fraction}`}`;
}

/** How many significant digits of ether people are shown. */
const ETHER_DIGITS = 4;

/**
 * Writes wei as ether for people: four decimals, or four significant digits below one ether, so that an amount above
 * zero never shows as zero. A balance is rounded down, a cost up.
 */
export function formatEtherBriefly(wei: bigint, rounding: "down" | "up"): string {
  const step = 10n ** BigInt(Math.max(0, Math.min(18, wei.toString().length) - ETHER_DIGITS));
  const rounded = rounding === "up" ? ((wei + step - 1n) / step) * step : (wei / step) * step;
  return formatAmount(rounded, 18);
}

/**
 * Reads a non-negative whole number of atomic units (or seconds), at most 2^256 − 1. It may be a decimal string, a
 * bigint, or a number that JavaScript holds exactly.
 *
 * @throws AmountError with the reason.
 */
export function parseAtomic(input: unknown): bigint {
  if (typeof input === "string") {
    if (/^[0-9]+$/.test(input)) return bounded("number", input);
    throw unreadable("number", input, 'Write a whole number in decimal digits, such as "1000".');
  }
  if (typeof input === "number") {
    if (Number.isSafeInteger(input) && input >= 0) return BigInt(input);
    if (Number.isInteger(input) && input > 0) {
      throw new AmountError("The number is above 2^53 − 1, where a JSON number loses digits.", {
        hint: 'Write it as a string, such as "9007199254740993".',
      });
    }
    throw unreadable("number", String(input), 'Write a whole number in decimal digits, such as "1000".');
  }
  if (typeof input === "bigint") {
    if (input >= 0n && input <= maxUint256) return input;
    throw input < 0n ? negative("number", quote(input.toString())) : tooLarge("number");
  }
  throw new AmountError(`Expected a whole number, got ${input === null ? "null" : typeof input}.`, {
    hint: 'Write it as a string of decimal digits, such as "1000".',
  });
}

type Noun = "amount" | "number";

function bounded(noun: Noun, digits: string): bigint {
  const significant = digits.replace(/^0+/, "");
  // 2^256 − 1 has 78 digits. This check keeps BigInt from reading a hostile megabyte.
  if (significant.length > 78) throw tooLarge(noun);
  const value = BigInt(significant === "" ? "0" : significant);
  if (value > maxUint256) throw tooLarge(noun);
  return value;
}

function unreadable(noun: Noun, text: string, hint: string): AmountError {
  const shown = quote(text);
  if (text.startsWith("-")) return negative(noun, shown);
  if (/^0[xX]/.test(text)) return new AmountError(`The ${noun} ${shown} is hexadecimal.`, { hint });
  if (/^\+?[0-9.]+[eE][-+]?[0-9]+$/.test(text))
    return new AmountError(`The ${noun} ${shown} has an exponent.`, { hint });
  if (/^(?:[0-9]+\.[0-9]*|\.[0-9]+)$/.test(text))
    return new AmountError(`The ${noun} ${shown} is a fraction.`, { hint });
  return new AmountError(`The ${noun} ${shown} is not in decimal digits.`, { hint });
}

function negative(noun: Noun, shown: string): AmountError {
  return new AmountError(`The ${noun} ${shown} is negative.`, { hint: "It must be zero or more." });
}

function tooLarge(noun: Noun): AmountError {
  return new AmountError(`The ${noun} is above 2^256 − 1.`, { hint: "No token can hold that much: check the units." });
}

function quote(text: string): string {
  return JSON.stringify(text.length > 90 ? `${text.slice(0, 90)}…` : text);
}

export function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

export function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
