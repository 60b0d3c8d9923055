import { WriteStream } from "node:tty";
import { styleText } from "node:util";
import { Help } from "commander";
import { currentRun, type Output } from "../process/surroundings.ts";

/** The meaning of a colour. A colour never says anything that the words do not. */
export type Tone = "good" | "bad" | "open" | "title" | "faint";

const STYLES = { good: "green", bad: "red", open: "yellow", title: "bold", faint: "dim" } as const;

/** Colours `text` if the stream is a terminal with colours. NO_COLOR and FORCE_COLOR are respected. */
export function paint(tone: Tone, text: string, stream: Output = currentRun().stdout): string {
  return text === "" || !hasColours(stream) ? text : styleText(STYLES[tone], text, { validateStream: false });
}

/** Reads the run's environment; `styleText` would read that of the process. */
function hasColours(stream: Output): boolean {
  const { env } = currentRun();
  if (env.FORCE_COLOR === undefined && stream.isTTY !== true) return false;
  return WriteStream.prototype.getColorDepth(env) > 2;
}

/**
 * Columns of the stream's terminal; undefined if it is not a terminal, so nothing is shortened or folded.
 * @param inset Columns that are taken already.
 */
export function widthOf(stream: Output = currentRun().stdout, inset = 0): number | undefined {
  const { isTTY = false, columns = 0 } = stream;
  return isTTY && columns > inset ? columns - inset : undefined;
}

/** The columns that a text takes, without its colours. */
export function lengthOf(text: string): number {
  return measure.displayWidth(text);
}

/** Breaks lines wider than `width` between words, so that no address or hash breaks. Further lines are indented. */
export function fold(text: string, width: number | undefined): string {
  if (width === undefined) return text;
  return text
    .split("\n")
    .map((line) => (lengthOf(line) <= width ? line : foldLine(line, width)))
    .join("\n");
}

function foldLine(line: string, width: number): string {
  const indent = (/^ */.exec(line)?.[0] ?? "").length;
  const [first = "", ...rest] = measure.boxWrap(line, width).split("\n");
  if (rest.length === 0) return first;
  const inset = " ".repeat(indent + 2);
  const following = measure.boxWrap(rest.join(" "), width - inset.length);
  return [first, ...following.split("\n").map((part) => inset + part)].join("\n");
}

const measure = new Help();
measure.minWidthToWrap = 1;
