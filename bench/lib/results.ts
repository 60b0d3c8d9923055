import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, release, totalmem, type } from "node:os";
import { join } from "node:path";
import type { Chart } from "./charts.ts";
import type { Machine } from "./machine.ts";

/** A condition that must hold. `bound` says on which side of `limit` the value must be. */
export type Bar = {
  readonly name: string;
  readonly value: number;
  readonly limit: number;
  readonly unit: string;
  readonly bound: "at most" | "at least";
  readonly holds: boolean;
};

/** Cells are text, or numbers as they are shown; null if there is nothing to measure. */
export type Table = {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number | null)[])[];
  /** What a reader must know about the figures. */
  readonly note?: string;
};

/** What one subject measured. */
export type Section = {
  readonly subject: string;
  readonly title: string;
  readonly seconds: number;
  readonly bars: readonly Bar[];
  readonly tables: readonly Table[];
  readonly charts: readonly Chart[];
  /** Figures by name, for other subjects, for documents and for readers of the JSON. */
  readonly figures: Readonly<Record<string, number>>;
};

export type Results = {
  readonly form: "quick" | "full" | "part";
  readonly seed: number;
  readonly measuredAt: string;
  readonly seconds: number;
  readonly commit: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly memoryGiB: number; readonly os: string };
  readonly versions: Readonly<Record<string, string>>;
  /** Every bar of every section. */
  readonly bars: readonly Bar[];
  readonly sections: readonly Section[];
};

/** What a subject gets. */
export type Context = {
  /** Whether this is the long form. */
  readonly full: boolean;
  readonly seed: number;
  /** What this machine does by itself. */
  readonly machine: Machine;
  /** Reports progress. */
  readonly tell: (text: string) => void;
  /** Figures of the subjects that ran before. */
  readonly figures: Readonly<Record<string, number>>;
};

/** One thing to measure. */
export type Subject = {
  readonly name: string;
  readonly title: string;
  /** Subjects whose figures it uses. */
  readonly needs?: readonly string[];
  readonly run: (context: Context) => Promise<Omit<Section, "subject" | "title" | "seconds">>;
};

export function atMost(name: string, value: number, limit: number, unit: string): Bar {
  return { name, value: round(value), limit, unit, bound: "at most", holds: value <= limit };
}

export function atLeast(name: string, value: number, limit: number, unit: string): Bar {
  return { name, value: round(value), limit, unit, bound: "at least", holds: value >= limit };
}

/** How far a bar is missed, as text; undefined if it holds. */
export function missedBy({ name, value, limit, unit, bound, holds }: Bar): string | undefined {
  if (holds) return undefined;
  return `${name}: ${value} ${unit}, ${round(Math.abs(value - limit))} ${bound === "at most" ? "above" : "below"} ${limit}`;
}

/** Four significant digits, more for a large whole part. */
export function round(value: number): number {
  if (!Number.isFinite(value)) return value;
  return Math.abs(value) >= 1_000 ? Math.round(value) : Number(value.toPrecision(4));
}

const root = join(import.meta.dirname, "..", "..");

/** Combines sections with the machine and the versions that they were measured on, as JSON keeps them: NaN becomes null. */
export function resultsOf(
  sections: readonly Section[],
  run: Pick<Results, "form" | "seed" | "measuredAt" | "seconds">,
): Results {
  const [cpu] = cpus();
  const results: Results = {
    ...run,
    commit: commit(),
    machine: {
      cpu: cpu?.model.trim() ?? "unknown",
      cores: cpus().length,
      memoryGiB: round(totalmem() / 2 ** 30),
      os: `${type()} ${release()}`,
    },
    versions: versions(),
    bars: sections.flatMap(({ bars }) => bars),
    sections,
  };
  return JSON.parse(JSON.stringify(results));
}

/** The commit that is checked out, with a mark if files differ from it. */
function commit(): string {
  const git = (...args: string[]) => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
  try {
    const isDirty = git("status", "--porcelain", "--", "src", "contracts", "scripts", "package-lock.json") !== "";
    return `${git("rev-parse", "HEAD")}${isDirty ? " and changes" : ""}`;
  } catch {
    return "unknown";
  }
}

const PACKAGES = ["viem", "hardhat", "@nomicfoundation/edr", "@foundry-rs/anvil", "@x402/core", "@x402/evm"];

function versions(): Record<string, string> {
  const found: Record<string, string> = { node: process.version, tributary: versionIn("package.json") };
  for (const name of PACKAGES) found[name] = versionIn(join("node_modules", name, "package.json"));
  return found;
}

function versionIn(path: string): string {
  const { version }: { version: string } = JSON.parse(readFileSync(join(root, path), "utf8"));
  return version;
}
