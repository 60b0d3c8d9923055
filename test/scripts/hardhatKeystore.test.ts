import { join } from "node:path";
import { expect } from "chai";
import { type ChainLab, freshAddress, openChainLab } from "../helpers/chainLab.ts";
import { runModule, spawnCli, withFolder } from "../helpers/cli.ts";
import { writePayments } from "../helpers/journalCli.ts";

/** What `hardhat keystore set --dev SETTLER` does when somebody types the key. */
const SET_KEY = `
  import keystore from "@nomicfoundation/hardhat-keystore";
  import { createHardhatRuntimeEnvironment } from "hardhat/hre";
  const environment = await createHardhatRuntimeEnvironment({ plugins: [keystore] }, {}, process.cwd());
  environment.hooks.registerHandlers("userInterruptions", { requestSecretInput: async () => process.env.TYPED });
  await environment.tasks.getTask(["keystore", "set"]).run({ key: "SETTLER", dev: true, force: false });
`;

describe("--keystore hardhat:NAME", () => {
  let lab: ChainLab;
  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());

  it("sends from a key in Hardhat's keystore, and says if there is none", async () => {
    await withFolder(async (folder) => {
      const env = { XDG_CONFIG_HOME: join(folder, "config"), HOME: folder };
      const { privateKey, address } = lab.keyOf(7);
      const set = await runModule(SET_KEY, { env: { ...env, TYPED: privateKey } });
      expect(set.code, set.stderr).to.equal(0);

      const payee = freshAddress(2_900);
      const file = writePayments(folder, await lab.pay(2, payee));
      // Hardhat looks for its keystore by the environment of the process.
      const settle = (name: string) =>
        spawnCli(
          ["settle", file, "--keystore", `hardhat:${name}`, "--rpc-url", lab.chain.rpcUrl, "--journal", `${file}.db`],
          { env },
        );
      const missing = await settle("OTHER");
      expect(missing.code).to.equal(2);
      expect(missing.stderr).to.include("Hardhat's keystore does not give out OTHER.");

      const sent = await lab.client.getTransactionCount({ address });
      const settled = await settle("SETTLER");
      expect(settled.code, settled.stderr).to.equal(0);
      expect(settled.stdout + settled.stderr).to.not.include(privateKey.slice(2));
      expect(await lab.client.getTransactionCount({ address })).to.equal(sent + 1);
      expect(await lab.balanceOf(payee)).to.equal(2_001n);
    });
  });
});
