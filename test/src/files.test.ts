import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { ForeignFileError, openDraft, openForAppending, openNew, writeInPlaceOf, writeNew } from "../../src/files.ts";
import { withFolder } from "../helpers/cli.ts";

const modeOf = (path: string) => statSync(path).mode & 0o777;
const failure = async (work: () => unknown): Promise<unknown> => {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
};

describe("files", () => {
  /** Somebody else's file, and links to it and to nothing. */
  const links = (folder: string) => {
    const victim = join(folder, "victim");
    writeFileSync(victim, "mine");
    const [link, dangling] = [join(folder, "link"), join(folder, "dangling")];
    symlinkSync(victim, link);
    symlinkSync(join(folder, "nowhere"), dangling);
    return { victim, link, dangling };
  };

  it("openNew: makes a file for its owner only, and opens nothing that is there", () =>
    withFolder(async (folder) => {
      const path = join(folder, "new");
      await (await openNew(path)).close();
      expect(modeOf(path)).to.equal(0o600);
      const { link, dangling } = links(folder);
      for (const taken of [path, link, dangling]) {
        expect(await failure(() => openNew(taken))).to.have.property("code", "EEXIST");
      }
      expect(existsSync(join(folder, "nowhere"))).to.equal(false);
    }));

  it("openDraft: replaces a stale draft of ours, and refuses links and what is not a plain file", () =>
    withFolder(async (folder) => {
      const draft = join(folder, "results.part");
      writeFileSync(draft, "a longer text of a killed run", { mode: 0o644 });
      const file = openDraft(draft);
      writeSync(file, "new");
      closeSync(file);
      expect([readFileSync(draft, "utf8"), modeOf(draft)]).to.deep.equal(["new", 0o600]);

      const { victim, link, dangling } = links(folder);
      const inner = join(folder, "inner");
      mkdirSync(inner);
      for (const taken of [link, dangling, inner]) {
        expect(await failure(() => openDraft(taken))).to.be.instanceOf(ForeignFileError);
      }
      expect(readFileSync(victim, "utf8")).to.equal("mine");
      expect(lstatSync(link).isSymbolicLink()).to.equal(true);
    }));

  it("openForAppending: continues a file of ours, and follows no link", () =>
    withFolder(async (folder) => {
      const path = join(folder, "log");
      for (const text of ["a", "b"]) {
        const file = await openForAppending(path);
        await file.appendFile(text);
        await file.close();
      }
      expect([readFileSync(path, "utf8"), modeOf(path)]).to.deep.equal(["ab", 0o600]);
      const { victim, link, dangling } = links(folder);
      for (const taken of [link, dangling]) {
        expect(await failure(() => openForAppending(taken))).to.be.instanceOf(ForeignFileError);
      }
      expect(readFileSync(victim, "utf8")).to.equal("mine");
    }));

  it("writeNew and writeInPlaceOf: a whole file or none, never through a link", () =>
    withFolder(async (folder) => {
      const { victim, link } = links(folder);
      expect(await failure(() => writeNew(link, "x"))).to.have.property("code", "EEXIST");
      await writeInPlaceOf(link, "x");
      expect(readFileSync(victim, "utf8")).to.equal("mine");
      expect([readFileSync(link, "utf8"), modeOf(link)]).to.deep.equal(["x", 0o600]);
      await writeNew(join(folder, "new"), "y");
      expect(readFileSync(join(folder, "new"), "utf8")).to.equal("y");
      expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).to.deep.equal([]);
    }));
});
