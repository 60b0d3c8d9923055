import { stripVTControlCharacters } from "node:util";
import { expect } from "chai";

/** Progress bars, which move the cursor and leave nothing behind. */
const BARS = /\w+ [-=]{40} \d+\/\d+( · [^\n]*? left)?/g;

/** Asserts that no line is wider than the terminal, which would break what is at its edge, such as a hash. */
export function expectToFit(text: string, columns: number): void {
  const wide = stripVTControlCharacters(text)
    .replace(BARS, "")
    .split("\n")
    .filter((line) => line.length > columns);
  expect(wide, text).to.deep.equal([]);
}
