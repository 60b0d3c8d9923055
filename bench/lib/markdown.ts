import { type Bar, missedBy, type Results, type Table } from "./results.ts";

/** The results as a page of tables and charts. The JSON alone determines it. */
export function toMarkdown(results: Results): string {
  const { machine, versions, bars } = results;
  const missed = bars.filter(({ holds }) => !holds);
  const parts = [
    "# Figures",
    "",
    `Written by \`npm run bench${results.form === "full" ? ":full" : ""}\` from results.json; docs/performance.md says how they are measured.`,
    "",
    `- machine: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.os}`,
    `- commit: ${results.commit}; seed ${results.seed}; ${results.measuredAt}; ${results.seconds} s in total`,
    `- versions: ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(", ")}`,
    "",
    "## Bars",
    "",
    missed.length === 0 ? `All ${bars.length} hold.` : `${missed.length} of ${bars.length} do not hold.`,
    "",
    barTable(bars),
    "",
  ];
  for (const { title, tables, charts } of results.sections) {
    parts.push(`## ${title}`, "");
    for (const table of tables) parts.push(formatTable(table), "");
    for (const chart of charts) parts.push(`![${chart.title}](charts/${chart.file}.svg)`, "");
  }
  return parts.join("\n");
}

export function barTable(bars: readonly Bar[]): string {
  const rows = bars.map((bar) => {
    const { name, value, limit, unit, bound, holds } = bar;
    const verdict = holds ? "holds" : `**missed**, by ${missedBy(bar)?.split(", ").at(-1)?.split(" ")[0]}`;
    return [name, formatNumber(value), `${bound} ${formatNumber(limit)}`, unit, verdict];
  });
  return markdownTable(["bar", "value", "limit", "unit", ""], rows);
}

function formatTable({ title, columns, rows, note }: Table): string {
  const table = markdownTable(
    columns,
    rows.map((row) => row.map((cell) => (typeof cell === "string" ? cell : formatNumber(cell)))),
  );
  return [`### ${title}`, "", table, ...(note === undefined ? [] : ["", note])].join("\n");
}

export function markdownTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(columns), line(columns.map(() => "---")), ...rows.map(line)].join("\n");
}

/** With separators for thousands, and as many decimals as it has. Empty if there was nothing to measure: null in JSON. */
export function formatNumber(value: number | null): string {
  return value === null ? "" : value.toLocaleString("en", { maximumFractionDigits: 10 });
}
