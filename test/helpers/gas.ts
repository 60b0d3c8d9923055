import { readFileSync, writeFileSync } from "node:fs";

/** Figures of one scenario: gas, bytes or counts, by name. Fractions are rounded to a tenth. */
export type GasFigures = Readonly<Record<string, number>>;

type Snapshot = Record<string, GasFigures>;

/**
 * Gas figures that a test run compares with those in a checked-in file. With UPDATE_GAS_SNAPSHOT=1 in the environment it
 * writes them there instead.
 */
export type GasSnapshot = {
  /** Compares, and throws with every difference beyond the tolerance: what got worse, and what got better unrecorded. */
  check(scenario: string, figures: GasFigures): void;
  /** Writes the file, if that was asked for; throws if the file has scenarios that were not measured. */
  finish(): void;
};

/** Figures whose names start with this are better when they are higher. */
const MORE_IS_BETTER = "payments";

/**
 * @param toleranceShare The part of a figure by which it may differ: room for the zero bytes of another signature.
 */
export function openGasSnapshot(path: URL, toleranceShare: number): GasSnapshot {
  const updating = process.env.UPDATE_GAS_SNAPSHOT === "1";
  const recorded: Snapshot = updating ? {} : JSON.parse(readFileSync(path, "utf8"));
  const measured: Snapshot = {};

  return {
    check(scenario, figures) {
      const rounded = Object.fromEntries(Object.entries(figures).map(([name, n]) => [name, Math.round(n * 10) / 10]));
      measured[scenario] = rounded;
      if (updating) return;
      const before = recorded[scenario] ?? {};
      const names = new Set([...Object.keys(before), ...Object.keys(rounded)]);
      const differences = [...names].flatMap((name) => describe(name, before[name], rounded[name], toleranceShare));
      if (differences.length === 0) return;
      throw new Error(
        [
          `Gas of "${scenario}" differs from the snapshot:`,
          ...differences,
          "If that is meant, run with UPDATE_GAS_SNAPSHOT=1 and commit the snapshot.",
        ].join("\n  "),
      );
    },

    finish() {
      if (updating) {
        writeFileSync(path, `${JSON.stringify(measured, null, 2)}\n`);
        return;
      }
      const missing = Object.keys(recorded).filter((scenario) => !(scenario in measured));
      if (missing.length > 0)
        throw new Error(`The snapshot has scenarios that no test measures: ${missing.join(", ")}`);
    },
  };
}

function describe(name: string, before: number | undefined, now: number | undefined, toleranceShare: number): string[] {
  if (before === undefined) return [`${name}: ${now}, not in the snapshot`];
  if (now === undefined) return [`${name}: ${before} in the snapshot, not measured`];
  if (Math.abs(now - before) <= toleranceShare * Math.abs(before)) return [];
  const better = name.startsWith(MORE_IS_BETTER) ? now > before : now < before;
  return [`${name}: ${before} → ${now} (${better ? "better" : "worse"} by ${round(Math.abs(now - before))})`];
}

function round(n: number): number {
  return Math.round(n * 10) / 10;
}
