import { expect } from "chai";
import { keccak256, parseTransaction, size } from "viem";
import { createXTransaction, genuineMulticall3Code, multicall3CreationCode } from "../../../src/local/bytecode.ts";
import { runModule } from "../../helpers/cli.ts";

const MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11";

/** A Node option that hides the packages whose names start with `prefix` from `require`. */
function without(prefix: string): string {
  const hooks = `
    import Module from "node:module";
    const resolve = Module._resolveFilename;
    Module._resolveFilename = (name, ...rest) => {
      if (name.startsWith("${prefix}")) throw new Error("not here");
      return resolve(name, ...rest);
    };`;
  return `--import=data:text/javascript,${encodeURIComponent(hooks)}`;
}

describe("genuineMulticall3Code", () => {
  it("is what every public chain has, or nothing", () => {
    const code = genuineMulticall3Code();
    if (code === undefined) {
      // anvil is not published for every platform.
      expect(`${process.platform}-${process.arch}`).to.not.equal("linux-x64");
    } else {
      expect(keccak256(code)).to.equal("0xd5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891");
    }
  });

  it("uses viem's build if anvil is missing", async () => {
    const { stdout } = await runModule(
      `
      import { createPublicClient, erc20Abi, http } from "viem";
      import { baseSepolia } from "viem/chains";
      import { startLocalChain } from "./src/local/index.ts";
      const chain = await startLocalChain();
      const client = createPublicClient({ chain: baseSepolia, transport: http(chain.rpcUrl) });
      const call = { address: chain.usdc, abi: erc20Abi, functionName: "decimals" };
      console.log(await client.multicall({ contracts: [call, call], allowFailure: false }));
      console.log((await chain.request("eth_getCode", ["${MULTICALL3}", "latest"])).length);
      await chain.stop();`,
      { nodeOptions: [without("@foundry-rs/")] },
    );
    expect(stdout).to.equal("[ 6, 6 ]\n11124\n");
  });
});

describe("multicall3CreationCode", () => {
  it("finds Multicall3 in the installed viem", () => {
    expect(size(multicall3CreationCode())).to.equal(5593);
  });
});

describe("createXTransaction", () => {
  it("finds the presigned transaction in the installed ignition-core", async () => {
    const transaction = await createXTransaction();
    const { nonce, gas, gasPrice, to } = parseTransaction(transaction ?? "0x");
    expect({ nonce, gas, gasPrice, to }).to.deep.equal({
      nonce: 0,
      gas: 3_000_000n,
      gasPrice: 100_000_000_000n,
      to: undefined,
    });
  });

  it("is undefined if that package is missing, and the chain starts without CreateX", async () => {
    const { stdout } = await runModule(
      `
      import { startLocalChain } from "./src/local/index.ts";
      const chain = await startLocalChain();
      console.log(String(chain.createX), await chain.request("eth_getCode", ["0xba5Ed099633D3B313e4D5F7bdc1305d3c28ba5Ed", "latest"]));
      await chain.stop();`,
      { nodeOptions: [without("@nomicfoundation/ignition-core")] },
    );
    expect(stdout).to.equal("undefined 0x\n");
  });
});
