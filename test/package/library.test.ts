import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { ROUTER_ADDRESS } from "../../src/deployment.ts";
import { createProject, manifest, root, runNode, typeCheck } from "./project.ts";

/** What each program of docs/library.md prints, by its heading. */
const SAYS: Readonly<Record<string, RegExp>> = {
  tributary: /^valid: 1 payment of 0\.0015 USDC, direct, at most \d+ gas$/,
  "tributary/abi": /^3 attempted, 0 failed$/,
  "tributary/settlement":
    /^order-1 settled\norder-2 settled\norder-3 settled\n1 transaction\ndrift 0\n(settled 1000n \d+n\n?){3}$/,
  "tributary/facilitator": /^200 \{\n {2}success: true,/,
  "tributary/keeper": /^0 channels, 0 receivers, 0 withdrawals$/,
  "tributary/local": /^settled ?\nrejected expired$/,
  "tributary/deploy": new RegExp(`^deployed ${ROUTER_ADDRESS} true$`),
  "tributary/doctor": /^ok RPC answers\n(ok .*\n)+healthy$/,
  "tributary/ethers": /^3 attempted, 0 failed$/,
  "tributary/ignition": /^0x[0-9a-fA-F]{40}$/,
};

/** The program under each heading of docs/library.md. */
const programs = new Map(
  readFileSync(join(root, "docs", "library.md"), "utf8")
    .split(/^## /m)
    .flatMap((section) => {
      const [, code] = /```ts\n(.*?)```/s.exec(section) ?? [];
      return code === undefined ? [] : [[section.split("\n")[0] ?? "", code] as const];
    }),
);
const fileOf = (door: string) => `${door.replace("/", "-")}.ts`;

describe("docs/library.md", () => {
  it("has a program for each door of the package", () => {
    const doors = Object.keys(manifest.exports).filter((door) => !/\.(sol|json)$/.test(door));
    expect([...programs.keys()].sort()).to.deep.equal(doors.map((door) => door.replace(".", "tributary")).sort());
  });

  describe("its programs, in a project with the packed package", () => {
    const project = mkdtempSync(join(tmpdir(), "tributary library "));
    let output = "";
    before(async () => {
      await createProject(project, "full");
      for (const [door, code] of programs) writeFileSync(join(project, fileOf(door)), code);
    });
    after(() => rmSync(project, { recursive: true, force: true }));

    it("compile as strictly as can be", async () => {
      const strictest = { exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noUnusedLocals: true };
      const checked = await typeCheck(project, { ...strictest, skipLibCheck: true });
      expect(checked.output).to.equal("");
      expect(checked.status).to.equal(0);
    });

    it("run to their ends on a local chain", async () => {
      // One after another in one process, which loads shared modules once.
      const files = [...programs.keys()].map((door) => [door, `./${fileOf(door)}`]);
      const all = `for (const [door, file] of ${JSON.stringify(files)}) { console.log("\\n## " + door); await import(file); }`;
      writeFileSync(join(project, "all.mjs"), all);
      const ran = await runNode(project, ["--no-warnings", "all.mjs"]);
      output = ran.output;
      expect(ran.status, output).to.equal(0);
    });

    for (const [door, says] of Object.entries(SAYS)) {
      it(`print what the chain says: ${door}`, () => {
        const part = output.split("\n## ").find((one) => one.startsWith(`${door}\n`));
        expect(part?.slice(door.length + 1).trim()).to.match(says);
      });
    }
  });
});
