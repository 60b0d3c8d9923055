import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { manifest, root } from "./project.ts";

/** A public name, the file that declares it, the text before that, and its own text. */
export type Declared = {
  readonly name: string;
  readonly file: string;
  readonly before: string;
  readonly text: string;
};

/** What each door exports, types included. Typechain writes the classes of ./ethers, which is left out. */
export const doors = Object.entries(manifest.exports).flatMap(([door, target]) => {
  if (door === "./ethers" || typeof target !== "object" || target === null || !("default" in target)) return [];
  const file = join(root, String(target.default).replace("./dist/", "").replace(/js$/, "ts"));
  return [{ door, declared: exportsOf(file) }];
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
