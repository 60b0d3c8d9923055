import { globSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { manifest, npm, pack, root, runNode, snippetsOf, typeCheck, writeProject } from "./project.ts";
import { type Registry, serveRegistry } from "./registry.ts";

/** The versions that the peer range is tried with: its oldest, and the newest at the time of the last check. */
const [oldest, newest] = ["viem-oldest", "viem-newest"].map((name) => manifest.devDependencies[name]?.split("@")[1]);

describe("the packed package with its user's viem", () => {
  const folder = mkdtempSync(join(tmpdir(), "tributary viem "));
  let registry: Registry;
  before(async () => {
    registry = await serveRegistry();
  });
  after(async () => {
    await registry.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("asks for a peer from the oldest version on", () => {
    expect(manifest.peerDependencies.viem).to.equal(`^${oldest}`);
    expect(manifest.dependencies).to.not.have.property("viem");
  });

  for (const version of [oldest, newest]) {
    describe(`viem ${version}`, () => {
      const project = join(folder, String(version));
      const installed = (name: string) => globSync(`**/node_modules/${name}/package.json`, { cwd: project });

      it("is installed once, without a warning", async () => {
        writeProject(project);
        const cache = join(folder, "cache");
        const { status, output } = await npm(
          project,
          "install",
          await pack(),
          `viem@${version}`,
          ...["--registry", registry.url, "--cache", cache, "--prefer-offline", "--no-audit", "--no-fund"],
        );
        expect(output).to.not.match(/\b(warn|error)\b/i);
        expect(status).to.equal(0);
        expect(installed("viem")).to.deep.equal([join("node_modules", "viem", "package.json")]);
      });

      it("type-checks with the README's snippets, declarations included", async () => {
        for (const [index, snippet] of snippetsOf("README.md").entries()) {
          writeFileSync(join(project, `readme${index}.ts`), snippet);
        }
        const { status, output } = await typeCheck(project);
        expect(output).to.equal("");
        expect(status).to.equal(0);
      });

      it("settles payments by the README's snippet", async () => {
        // Hardhat is large and the same with every viem, so the checkout's is used.
        symlinkSync(join(root, "node_modules", "hardhat"), join(project, "node_modules", "hardhat"), "junction");
        writeFileSync(join(project, "settle.mjs"), snippetsOf("README.md")[1] ?? "");
        const { status, output } = await runNode(project, ["settle.mjs"]);
        expect(output).to.match(/payments: 20,\s+settledNow: \{ count: 20, value: 20000n \}/);
        expect(status).to.equal(0);
      });
    });
  }
});
