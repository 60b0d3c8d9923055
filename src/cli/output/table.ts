import Table from "cli-table3";
import { currentRun } from "../process/surroundings.ts";
import { fold, lengthOf, paint, widthOf } from "./terminal.ts";

export type Column = {
  readonly title: string;
  readonly align?: "left" | "right";
  /** Left out if the terminal is too narrow for all columns. */
  readonly isSpare?: true;
  /** Never shortened: people copy it. */
  readonly isWhole?: true;
};
type Row = readonly string[];
type Sheet = { readonly columns: readonly Column[]; readonly rows: readonly Row[] };

const GAP = 2;
/** The least width that a column of sentences is folded to. */
const LEAST_TEXT = 24;
const HASH = /0x[0-9a-fA-F]{64,}/g;
const HASH_OR_ADDRESS = /0x[0-9a-fA-F]{40,}/g;

/**
 * A table without lines, for people. In a terminal it is made to fit: sentences are folded between words, then hashes
 * and addresses are shortened, then spare columns are left out. If it still does not fit, each row becomes a block of
 * lines. Elsewhere nothing is folded, shortened or left out.
 * @param width Columns of the terminal; undefined if there is none.
 */
export function formatTable(columns: readonly Column[], rows: readonly Row[], width = widthOf()): string {
  const sheet = { columns, rows };
  if (width === undefined) return draw(sheet);
  const ways = [sheet, shorten(sheet, HASH), shorten(sheet, HASH_OR_ADDRESS)];
  for (const way of [...ways, ...ways.slice(-1).map(withoutSpare)]) {
    const widths = widthsIn(way, width);
    if (widths === undefined) continue;
    if (way !== sheet && holdsLess(way, sheet)) currentRun().wasShortened = true;
    return draw(way, widths);
  }
  return columns.some(({ title }) => title !== "") ? drawBlocks(sheet, width) : draw(sheet);
}

function shorten({ columns, rows }: Sheet, what: RegExp): Sheet {
  const cell = (text: string, index: number) => (columns[index]?.isWhole === true ? text : shortenIn(text, what));
  return {
    columns: columns.map((column) => ({ ...column, title: shortenIn(column.title, what) })),
    rows: rows.map((row) => row.map(cell)),
  };
}

function shortenIn(text: string, what: RegExp): string {
  return text.replace(what, (hex) => `${hex.slice(0, 6)}…${hex.slice(-4)}`);
}

function holdsLess(way: Sheet, sheet: Sheet): boolean {
  const all = ({ columns, rows }: Sheet) => [columns.map(({ title }) => title), ...rows].flat().join(" ");
  return all(way) !== all(sheet);
}

function withoutSpare({ columns, rows }: Sheet): Sheet {
  const isKept = (_: unknown, index: number) => columns[index]?.isSpare !== true;
  return { columns: columns.filter(isKept), rows: rows.map((row) => row.filter(isKept)) };
}

/** The widths that columns get; undefined if they do not fit. */
function widthsIn(sheet: Sheet, width: number): number[] | undefined {
  const natural = sheet.columns.map((_, index) => naturalWidth(sheet, index));
  const least = sheet.columns.map((_, index) => leastWidth(sheet, index));
  let rest = width - sum(least) - GAP * Math.max(0, natural.length - 1);
  if (rest < 0) return undefined;
  // Columns that lack the least get it first.
  const widths = [...least];
  const order = widths.map((_, index) => index).sort((a, b) => lacks(a) - lacks(b));
  for (const [done, index] of order.entries()) {
    const share = Math.min(lacks(index), Math.floor(rest / (order.length - done)));
    widths[index] = (widths[index] ?? 0) + share;
    rest -= share;
  }
  return widths;

  function lacks(index: number): number {
    return (natural[index] ?? 0) - (least[index] ?? 0);
  }
}

function naturalWidth({ columns, rows }: Sheet, index: number): number {
  return longest([columns[index]?.title ?? "", ...rows.map((row) => row[index] ?? "")]);
}

/** The width below which a word would break, or a sentence would become a column of single words. */
function leastWidth({ columns, rows }: Sheet, index: number): number {
  const cells = rows.map((row) => row[index] ?? "");
  const words = [columns[index]?.title ?? "", ...cells].flatMap((text) => text.split(/\s+/));
  return Math.max(longest(words), Math.min(LEAST_TEXT, longest(cells)));
}

function draw({ columns, rows }: Sheet, widths?: readonly number[]): string {
  const table = new Table({
    head: columns.map(({ title }) => paint("title", title)),
    colAligns: columns.map(({ align }) => align ?? "left"),
    ...(widths === undefined ? {} : { colWidths: widths.map((width) => width + GAP), wordWrap: true }),
    style: { head: [], border: [], "padding-left": 0, "padding-right": GAP },
    chars: WITHOUT_LINES,
  });
  table.push(...rows.map((row) => [...row]));
  return trimEnds(table.toString());
}

/** A block of lines for each row, for a terminal that is too narrow for the table. */
function drawBlocks({ columns, rows }: Sheet, width: number): string {
  const inset = longest(columns.map(({ title }) => title)) + GAP;
  const space = width - inset;
  const blocks = rows.map((row) => {
    const lines = row.map((cell, index) => {
      const { title = "", isWhole = false } = columns[index] ?? {};
      const text = isWhole || longest(cell.split(/\s+/)) <= space ? cell : shortenIn(cell, HASH_OR_ADDRESS);
      if (text !== cell) currentRun().wasShortened = true;
      const gap = " ".repeat(inset - lengthOf(title));
      return `${paint("title", title)}${gap}${fold(text, space).replaceAll("\n", `\n${" ".repeat(inset)}`)}`;
    });
    return lines.join("\n");
  });
  return trimEnds(blocks.join("\n\n"));
}

function trimEnds(text: string): string {
  return text
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

function longest(texts: readonly string[]): number {
  return texts.reduce((most, text) => Math.max(most, lengthOf(text)), 0);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

const WITHOUT_LINES = Object.fromEntries(
  [
    "top",
    "top-mid",
    "top-left",
    "top-right",
    "bottom",
    "bottom-mid",
    "bottom-left",
    "bottom-right",
    "left",
    "left-mid",
    "mid",
    "mid-mid",
    "right",
    "right-mid",
    "middle",
  ].map((place) => [place, ""]),
);
