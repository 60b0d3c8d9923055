import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect } from "chai";

const root = join(import.meta.dirname, "..", "..");

describe("the compiler that a source asks for", () => {
  for (const file of globSync("contracts/**/*.sol", { cwd: root }).sort()) {
    // An interface is compiled with its user's contracts; a contract's bytes depend on its compiler.
    const wanted = /^I[A-Z]/.test(basename(file)) ? "^0.8.4" : "0.8.37";
    it(`is ${wanted}: ${file}`, () => {
      const [, pragma] = /^pragma solidity (.+);$/m.exec(readFileSync(join(root, file), "utf8")) ?? [];
      expect(pragma).to.equal(wanted);
    });
  }
});
