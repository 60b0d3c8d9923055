import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { ROUTER_ADDRESS } from "../../src/deployment.ts";
import { createProject, root, runNode, snippetsOf, typeCheck } from "./project.ts";

const resolve = createRequire(import.meta.url).resolve;
const hardhat = join(root, "node_modules", "hardhat", "dist", "src", "cli.js");

/** The blocks of docs/hardhat.md, by the file name in their first line. */
const documented = new Map(
  snippetsOf("docs/hardhat.md").map((code) => [/^\/\/ (?:\w+\/)?(\S+)/.exec(code)?.[1] ?? "", code] as const),
);

/** A configuration with compilers from npm. Otherwise Hardhat would download them. */
function withCompilers(...compilers: readonly { version: string; package: string; settings?: object }[]): string {
  const entries = compilers.map(({ package: name, ...compiler }) => ({
    ...compiler,
    path: resolve(`${name}/soljson.js`),
  }));
  return `export default { solidity: { compilers: ${JSON.stringify(entries)} } };`;
}

describe("the packed package in a Hardhat project", () => {
  const project = mkdtempSync(join(tmpdir(), "tributary hardhat "));
  before(async () => {
    await createProject(project, "full");
    mkdirSync(join(project, "contracts"));
  });
  after(() => rmSync(project, { recursive: true, force: true }));

  const run = (...args: readonly string[]) => runNode(project, [hardhat, ...args]);
  const build = async (contract: string, config: string) => {
    writeFileSync(join(project, "contracts", "Imports.sol"), contract);
    writeFileSync(join(project, "hardhat.config.js"), config);
    return run("build", "--force");
  };

  it("lets an older compiler of Solidity 0.8 import the interfaces", async () => {
    const { status, output } = await build(
      `// SPDX-License-Identifier: MIT
      pragma solidity 0.8.4;
      import {ISettlementRouter} from "tributary/contracts/interfaces/ISettlementRouter.sol";
      import {IERC3009} from "tributary/contracts/interfaces/IERC3009.sol";
      import {IBatchSettlement} from "tributary/contracts/mocks/channels/IBatchSettlement.sol";
      import {IDepositCollector} from "tributary/contracts/mocks/channels/IDepositCollector.sol";
      import {IUSDC} from "tributary/contracts/mocks/usdc/IUSDC.sol";
      contract Shop {
        ISettlementRouter public router; IERC3009 public token; IUSDC public usdc;
        IBatchSettlement public channels; IDepositCollector public collector;
        function settle(bytes32 id, bytes calldata batch) external returns (uint256 attempted) {
          (attempted, ) = router.settle(address(token), id, 90_000, batch);
        }
      }`,
      withCompilers({ version: "0.8.4", package: "solc-oldest" }),
    );
    expect(output).to.match(/Compiled 1 Solidity file with solc 0\.8\.4/);
    expect(status).to.equal(0);
  });

  const imports = (path: string, name: string) =>
    `// SPDX-License-Identifier: MIT
    pragma solidity ^0.8.28;
    import {${name}} from "tributary/contracts/${path}";
    contract Imports { ${name} public imported; }`;

  it("compiles the router via IR, and not without it", async () => {
    const router = imports("SettlementRouter.sol", "SettlementRouter");
    const solc = { version: "0.8.37", package: "solc" };
    const plain = await build(router, withCompilers(solc));
    expect(plain.output).to.match(/Stack too deep/);
    expect(plain.status).to.not.equal(0);
    const viaIR = { viaIR: true, optimizer: { enabled: true } };
    const { status, output } = await build(router, withCompilers({ ...solc, settings: viaIR }));
    expect(output).to.match(/Compiled 1 Solidity file/);
    expect(status).to.equal(0);
  });

  it("compiles the test USDC with any settings", async () => {
    const { status, output } = await build(
      imports("mocks/MockUSDC.sol", "MockUSDC"),
      withCompilers({ version: "0.8.37", package: "solc" }),
    );
    expect(output).to.match(/Compiled 1 Solidity file/);
    expect(status).to.equal(0);
  });

  describe("by docs/hardhat.md", () => {
    before(() => {
      rmSync(join(project, "hardhat.config.js"));
      rmSync(join(project, "contracts"), { recursive: true });
      expect([...documented.keys()]).to.deep.equal(["hardhat.config.ts", "settle.ts", "engine.ts", "deploy.ts"]);
      // The page says to add this for Ignition.
      const config = (documented.get("hardhat.config.ts") ?? "")
        .replace(/^import/m, 'import hardhatIgnitionViem from "@nomicfoundation/hardhat-ignition-viem";\nimport')
        .replace("plugins: [hardhatViem]", "plugins: [hardhatViem, hardhatIgnitionViem]");
      for (const [file, code] of documented) writeFileSync(join(project, file), code);
      writeFileSync(join(project, "hardhat.config.ts"), config);
    });

    it("type-checks", async () => {
      const { status, output } = await typeCheck(project);
      expect(output).to.equal("");
      expect(status).to.equal(0);
    });

    it("settles a batch on a connection of the project", async () => {
      const { status, output } = await run("run", "--no-compile", "settle.ts");
      expect(output.trim()).to.equal("20000n");
      expect(status).to.equal(0);
    });

    it("settles by the engine on a node of the project", async () => {
      const server = `
        import { network } from "hardhat";
        const server = await network.createServer("default", "127.0.0.1", 0);
        const { address, port } = await server.listen();
        process.env.RPC_URL = \`http://\${address}:\${port}\`;
        await import("./engine.ts");
        await server.close();
      `;
      writeFileSync(join(project, "node.ts"), server);
      const { status, output } = await run("run", "--no-compile", "node.ts");
      expect(output).to.match(/settledNow: \{ count: 1, value: 1000n \}/);
      expect(status).to.equal(0);
    });

    it("deploys the router to its address by Ignition", async () => {
      const { status, output } = await run("run", "--no-compile", "deploy.ts");
      expect(output).to.include(ROUTER_ADDRESS);
      expect(status).to.equal(0);
    });
  });
});
