import { expect } from "chai";
import { runModule } from "../../helpers/cli.ts";

const START = `
  import { startLocalChain } from "./src/local/index.ts";
  const error = await startLocalChain().catch((cause) => cause);
  console.log(JSON.stringify([error.name, error.shortMessage, error.details, error.hint]));
`;

/** A Node option that makes \`import("hardhat/hre")\` fail with \`code\`. */
function withoutHardhat(code: string): string {
  const hooks = `
    import { registerHooks } from "node:module";
    registerHooks({
      resolve(specifier, context, next) {
        if (specifier.startsWith("hardhat/")) throw Object.assign(new Error("not here"), { code: "${code}" });
        return next(specifier, context);
      },
    });`;
  return `--import=data:text/javascript,${encodeURIComponent(hooks)}`;
}

describe("openDevelopmentNode", () => {
  it("says how to install Hardhat if it is missing", async () => {
    const { stdout } = await runModule(START, { nodeOptions: [withoutHardhat("ERR_MODULE_NOT_FOUND")] });
    expect(JSON.parse(stdout)).to.deep.equal([
      "HardhatUnavailableError",
      "The local chain needs Hardhat 3, which is not installed.",
      null,
      "npm install --save-dev hardhat@3.17.0",
    ]);
  });

  it("says so if Hardhat is too old to have hardhat/hre", async () => {
    const { stdout } = await runModule(START, { nodeOptions: [withoutHardhat("ERR_PACKAGE_PATH_NOT_EXPORTED")] });
    expect(JSON.parse(stdout)).to.deep.equal([
      "HardhatUnavailableError",
      "The local chain needs Hardhat 3; the one that is installed is older.",
      null,
      "npm install --save-dev hardhat@3.17.0",
    ]);
  });

  for (const [version, works] of [
    ["20.19.5", false],
    ["22.12.9", false],
    ["22.13.0", true],
    ["24.0.0", true],
  ] as const) {
    it(`${works ? "takes" : "refuses"} Node ${version}`, async () => {
      const source = `
        Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } });
        const { startLocalChain } = await import("./src/local/index.ts");
        const result = await startLocalChain().catch((cause) => cause);
        console.log(result instanceof Error ? result.shortMessage + " " + result.details : "started");
        await result.stop?.();
      `;
      const { stdout } = await runModule(source);
      expect(stdout.trim()).to.equal(
        works ? "started" : `The local chain needs Node 22.13 or newer. This is Node ${version}.`,
      );
    });
  }

  it("loads Hardhat only when a chain is started", async () => {
    const { stdout, code } = await runModule(`import "./src/local/index.ts"; console.log("loaded");`, {
      nodeOptions: [withoutHardhat("ERR_MODULE_NOT_FOUND")],
    });
    expect({ stdout, code }).to.deep.equal({ stdout: "loaded\n", code: 0 });
  });
});
