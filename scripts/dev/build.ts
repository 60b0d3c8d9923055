// Builds the package into dist/: `npm run build`. Everything comes from checked-in files; no contract is compiled.
//
//  dist/src, dist/scripts, dist/ignition   the sources as JavaScript with declarations
//  dist/ethers                             typechain's types and factories, for users of ethers
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { runTypeChain } from "typechain";
import { fiatProxyArtifact, mockUSDCArtifact, settlementRouterArtifact } from "../../src/abi.ts";
import { ierc3009Artifact } from "../../src/contracts/IERC3009.ts";

const root = join(import.meta.dirname, "..", "..");
const dist = join(root, "dist");
// Inside the package, so that the types find `ethers`; removed once it is compiled.
const generated = join(dist, "typechain");
const artifacts = [settlementRouterArtifact, ierc3009Artifact, mockUSDCArtifact, fiatProxyArtifact];

rmSync(dist, { recursive: true, force: true });
compile(join(root, "tsconfig.build.json"));
await writeEthersTypes();
compile(join(generated, "tsconfig.json"));
rmSync(generated, { recursive: true });

async function writeEthersTypes(): Promise<void> {
  const input = join(generated, "artifacts");
  mkdirSync(input, { recursive: true });
  const files = artifacts.map((artifact) => {
    const file = join(input, `${artifact.contractName}.json`);
    writeFileSync(file, JSON.stringify(artifact));
    return file;
  });
  await runTypeChain({
    cwd: root,
    target: "ethers-v6",
    outDir: generated,
    allFiles: files,
    filesToProcess: files,
    flags: {
      alwaysGenerateOverloads: false,
      discriminateTypes: false,
      tsNocheck: false,
      environment: undefined,
      node16Modules: true,
    },
  });
  // Replaces typechain's index, which imports a folder: Node does not resolve that.
  const index = artifacts.flatMap(({ contractName: name }) => [
    `export type { ${name} } from "./${name}.js";`,
    `export { ${name}__factory } from "./factories/${name}__factory.js";`,
  ]);
  rmSync(join(generated, "factories", "index.ts"));
  writeFileSync(join(generated, "index.ts"), `${index.join("\n")}\n`);
  const tsconfig = {
    extends: "../../tsconfig.build.json",
    compilerOptions: { rootDir: ".", outDir: "../ethers", erasableSyntaxOnly: false, noUnusedLocals: false },
    include: ["**/*.ts"],
  };
  writeFileSync(join(generated, "tsconfig.json"), JSON.stringify(tsconfig));
}

function compile(project: string): void {
  const packageJson = createRequire(import.meta.url).resolve("typescript/package.json");
  const tsc = join(dirname(packageJson), "lib", "tsc.js");
  // Several threads check what they share several times.
  const { status } = spawnSync(process.execPath, [tsc, "-p", project, "--singleThreaded"], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
