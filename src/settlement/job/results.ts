import { networkOf } from "../../networks.ts";
import type { PaymentResult } from "../outcome/results.ts";

/** A line of the input that holds no payment to settle, and why. */
export type RefusedLine = {
  readonly line: number;
  readonly status: "invalid" | "duplicate";
  readonly field: string;
  readonly message: string;
};

/**
 * A result as one line of JSON: the terms that were authorized, the outcome, and the line of the file that the payment
 * came from, if there is one. Amounts are strings, in atomic units.
 */
export function serialiseResult(result: PaymentResult & { readonly line?: number }): string {
  const { line, authorization, outcome } = result;
  const { chainId, token, from, to, value, nonce } = authorization;
  const network = networkOf(chainId)?.caip2 ?? `eip155:${chainId}`;
  return toJsonLine({ line, network, token, from, to, value, nonce, ...outcome });
}

/** A refused line as one line of JSON for the same file, so that no line of the input is missing from it. */
export function serialiseRefusedLine(refused: RefusedLine): string {
  return toJsonLine(refused);
}

/** One line of JSON, with bigints as decimal strings. */
export function toJsonLine(value: object): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === "bigint" ? item.toString() : item));
}
