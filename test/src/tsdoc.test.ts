import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect } from "chai";
import { manifest, root } from "../package/project.ts";

/** A public name, where it is declared, and its own text. */
type Declared = { readonly name: string; readonly file: string; readonly before: string; readonly text: string };

/** The doors whose sources are TypeScript of this repository. Typechain writes the classes of ./ethers. */
const doors = Object.entries(manifest.exports).flatMap(([door, target]) => {
  if (door === "./ethers" || typeof target !== "object" || target === null || !("default" in target)) return [];
  return [{ door, file: join(root, String(target.default).replace("./dist/", "").replace(/js$/, "ts")) }];
});

/** What a module exports, its own and what it passes on. */
function exportsOf(file: string): Declared[] {
  const source = readFileSync(file, "utf8");
  const at = (specifier: string) => join(dirname(file), specifier);
  const passed = [...source.matchAll(/^export (?:type )?\{([^}]*)\} from "(\.[^"]+)";/gm)].flatMap(
    ([, names = "", from = ""]) => {
      const theirs = exportsOf(at(from));
      return names
        .split(",")
        .map((name) => name.trim().replace(/^type /, ""))
        .filter((name) => name !== "")
        .map((name) => theirs.find((one) => one.name === name) ?? unknown(name, file));
    },
  );
  const all = [...source.matchAll(/^export \* from "(\.[^"]+)";/gm)].flatMap(([, from = ""]) => exportsOf(at(from)));
  const own = [
    ...source.matchAll(/^export (?:declare )?(?:abstract )?(?:async )?(?:type|const|class|function\*?) (\w+)/gm),
  ];
  // Of a function with overloads, the first declaration has the comment.
  const first = own.filter(([, name], index) => own.findIndex(([, other]) => other === name) === index);
  const declared = first.map(({ 1: name = "", index }) => ({
    name,
    file,
    before: source.slice(0, index),
    // Up to the next declaration: the lines of a record are indented.
    text: source.slice(index).split(/\n\n(?=\S)/)[0] ?? "",
  }));
  const imported = [...source.matchAll(/^export \{([^}]*)\};/gm)].flatMap(([, names = ""]) =>
    names.split(",").map((name) => importedAs(name.trim(), source, at, file)),
  );
  return [...passed, ...all, ...declared, ...imported];
}

function importedAs(name: string, source: string, at: (specifier: string) => string, file: string): Declared {
  for (const [, names = "", from = ""] of source.matchAll(/^import (?:type )?\{([^}]*)\} from "(\.[^"]+)";/gm)) {
    if (!names.split(",").some((one) => one.trim() === name)) continue;
    return exportsOf(at(from)).find((one) => one.name === name) ?? unknown(name, file);
  }
  return unknown(name, file);
}

function unknown(name: string, file: string): never {
  throw new Error(`${relative(root, file)} exports ${name}, and where that is declared was not found`);
}

const hasComment = (before: string) => before.trimEnd().endsWith("*/");

/** Types that functions take, by the ends of their names. */
const TAKEN = /(Options|Policy|Limits|Input|Terms|Query|Filter|Profile|Context|Request|Submission)$/;
/** Options that are the same everywhere: their types say what they are. */
const KNOWN = ["clock", "logger"];

/** The members of a type that is written as a record, each with the text before it. */
function membersOf({ text }: Declared): { readonly name: string; readonly before: string }[] {
  const body = /^export type [^=]*= [^{]*\{\n(.*?)^\}/ms.exec(text)?.[1];
  if (body === undefined) return [];
  return [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(({ 1: name = "", index }) => ({
    name,
    before: body.slice(0, index),
  }));
}

describe("TSDoc", () => {
  const names = doors.map(({ door, file }) => ({ door, declared: exportsOf(file) }));

  it("finds the public names", () => {
    for (const { door, declared } of names) expect(declared.length, door).to.be.above(0);
    const settlement = names.find(({ door }) => door === "./settlement")?.declared ?? [];
    const job = settlement.find(({ name }) => name === "JobOptions");
    expect(job === undefined ? [] : membersOf(job).map(({ name }) => name)).to.include.members(["payments", "senders"]);
  });

  for (const { door, declared } of names) {
    it(`says of each name of ${door} what it is`, () => {
      const silent = declared.filter(({ before }) => !hasComment(before));
      expect(silent.map(({ name, file }) => `${name} (${relative(root, file)})`)).to.deep.equal([]);
    });

    it(`says of each option of ${door} what it is`, () => {
      const silent = declared.flatMap((one) =>
        (TAKEN.test(one.name) ? membersOf(one) : [])
          .filter(({ name, before }) => !hasComment(before) && !KNOWN.includes(name))
          .map(({ name }) => `${one.name}.${name} (${relative(root, one.file)})`),
      );
      expect(silent).to.deep.equal([]);
    });
  }
});
