import { stripVTControlCharacters } from "node:util";
import { expect } from "chai";

/** The environment of a command whose stdout and stderr say that they are a terminal of so many columns. */
export function terminal(columns: number, env: Readonly<Record<string, string>> = {}): Record<string, string> {
  const preload = `
    import { WriteStream } from "node:tty";
    const { getColorDepth, hasColors } = WriteStream.prototype;
    for (const stream of [process.stdout, process.stderr]) {
      for (const [name, value] of Object.entries({ isTTY: true, columns: ${columns}, getColorDepth, hasColors })) {
        Object.defineProperty(stream, name, { value });
      }
    }`;
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(preload)}`;
  return { TERM: "xterm-256color", NODE_OPTIONS, ...env };
}

/** Progress bars, which move the cursor and leave nothing behind. */
const BARS = /\w+ [-=]{40} \d+\/\d+( · [^\n]*? left)?/g;

/** Asserts that no line is wider than the terminal, which would break what stands at its edge, a hash for one. */
export function expectToFit(text: string, columns: number): void {
  const wide = stripVTControlCharacters(text)
    .replace(BARS, "")
    .split("\n")
    .filter((line) => line.length > columns);
  expect(wide, text).to.deep.equal([]);
}
