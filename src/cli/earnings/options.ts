import { InvalidArgumentError } from "commander";
import type { Address } from "viem";
import type { Network } from "../../networks.ts";

type Format = "text" | "csv" | "json";
export type Options = {
  readonly journal?: string;
  readonly network?: Network;
  readonly token?: Address;
  readonly since?: string;
  readonly until?: string;
  readonly payee?: readonly Address[];
  readonly merchant?: readonly string[];
  readonly merchants?: string;
  readonly format: Format;
  readonly json?: true;
  readonly out?: string;
  readonly force?: true;
};

export function day(text: string): string {
  if (/^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text))) return text;
  throw new InvalidArgumentError("Write a day such as 2026-11-30, in UTC.");
}

export function merchantIds(text: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), text];
}
