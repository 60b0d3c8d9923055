import { expect } from "chai";
import { MOST_DEPTH, readJson } from "../../../../src/facilitator/http/json.ts";

const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

describe("readJson", () => {
  it("reads arrays and objects up to the deepest nesting, and nothing deeper", () => {
    expect(readJson(nested(MOST_DEPTH)).ok).to.equal(true);
    const deeper = { ok: false, problem: "it is nested deeper than 64 levels" };
    expect(readJson(nested(MOST_DEPTH + 1))).to.deep.equal(deeper);
    expect(readJson(`${'{"a":'.repeat(65)}1${"}".repeat(65)}`)).to.deep.equal(deeper);
    expect(readJson("[".repeat(1_000_000))).to.deep.equal(deeper);
  });

  it("does not count brackets in texts, nor closed ones", () => {
    const texts = [`${"[{".repeat(100)}`, `\\" ${"[".repeat(100)}`, "\\\\"].map((text) => `"${text}"`);
    expect(readJson(`[${texts.join()}]`).ok).to.equal(true);
    expect(readJson(`[${new Array(100).fill("[{}]").join()}]`).ok).to.equal(true);
  });

  it("says that something is not JSON", () => {
    for (const text of ["", "{", "x", '"']) {
      expect(readJson(text)).to.deep.equal({ ok: false, problem: "it is not JSON" });
    }
  });
});
