import { relative } from "node:path";
import { expect } from "chai";
import { type Declared, doors } from "../package/doors.ts";
import { root } from "../package/project.ts";

const hasComment = (before: string) => before.trimEnd().endsWith("*/");

/** Types that functions take, by the ends of their names. */
const TAKEN = /(Options|Policy|Limits|Input|Terms|Query|Filter|Profile|Context|Request|Submission)$/;
/** Options that are the same everywhere: their types say what they are. */
const KNOWN = ["clock", "logger"];

/** The members of a type that is written as a record, each with the text before it. */
function membersOf({
  text,
}: Declared): { readonly name: string; readonly isFunction: boolean; readonly before: string }[] {
  const body = /^export type [^=]*= [^{]*\{\n(.*?)^\}/ms.exec(text)?.[1];
  if (body === undefined) return [];
  return [...body.matchAll(/^ {2}readonly (\w+)\??: (\(?)/gm)].map(({ 1: name = "", 2: parenthesis, index }) => ({
    name,
    isFunction: parenthesis !== "",
    before: body.slice(0, index),
  }));
}

describe("TSDoc", () => {
  it("finds the public names", () => {
    for (const { door, declared } of doors) expect(declared.length, door).to.be.above(0);
    const settlement = doors.find(({ door }) => door === "./settlement")?.declared ?? [];
    const job = settlement.find(({ name }) => name === "JobOptions");
    expect(job === undefined ? [] : membersOf(job).map(({ name }) => name)).to.include.members(["payments", "senders"]);
  });

  for (const { door, declared } of doors) {
    it(`says of each name of ${door} what it is`, () => {
      const silent = declared.filter(({ before }) => !hasComment(before));
      expect(silent.map(({ name, file }) => `${name} (${relative(root, file)})`)).to.deep.equal([]);
    });

    it(`says of each option and method of ${door} what it is`, () => {
      const silent = declared.flatMap((one) =>
        membersOf(one)
          .filter(({ isFunction }) => isFunction || TAKEN.test(one.name))
          .filter(({ name, before }) => !hasComment(before) && !KNOWN.includes(name))
          .map(({ name }) => `${one.name}.${name} (${relative(root, one.file)})`),
      );
      expect(silent).to.deep.equal([]);
    });
  }
});
