import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { drawChart } from "./charts.ts";
import { toMarkdown } from "./markdown.ts";
import { QUOTES, withQuotes } from "./quotes.ts";
import type { Results } from "./results.ts";

const home = join(import.meta.dirname, "..");
const root = join(home, "..");

/** Writes `results.json`, `RESULTS.md` and `charts/*.svg` into a folder; bench/ by default. */
export function writeResults(results: Results, folder = home): void {
  const charts = join(folder, "charts");
  rmSync(charts, { recursive: true, force: true });
  mkdirSync(charts, { recursive: true });
  writeFileSync(join(folder, "results.json"), `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(join(folder, "RESULTS.md"), toMarkdown(results));
  for (const chart of results.sections.flatMap((section) => section.charts)) {
    writeFileSync(join(charts, `${chart.file}.svg`), drawChart(chart));
  }
}

/** Updates the documents that quote results. */
export function updateQuotes(results: Results): void {
  for (const [file, quote] of Object.entries(QUOTES)) {
    const path = join(root, file);
    writeFileSync(path, withQuotes(readFileSync(path, "utf8"), quote(results)));
  }
}

/** The results that are checked in. */
export function readResults(): Results {
  return JSON.parse(readFileSync(join(home, "results.json"), "utf8"));
}
