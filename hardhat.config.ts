import { createRequire } from "node:module";
import hardhatEthers from "@nomicfoundation/hardhat-ethers";
import hardhatIgnition from "@nomicfoundation/hardhat-ignition";
import hardhatIgnitionViem from "@nomicfoundation/hardhat-ignition-viem";
import hardhatKeystore from "@nomicfoundation/hardhat-keystore";
import hardhatMocha from "@nomicfoundation/hardhat-mocha";
import hardhatNetworkHelpers from "@nomicfoundation/hardhat-network-helpers";
import hardhatTypechain from "@nomicfoundation/hardhat-typechain";
import hardhatVerify from "@nomicfoundation/hardhat-verify";
import hardhatViem from "@nomicfoundation/hardhat-viem";
import hardhatViemAssertions from "@nomicfoundation/hardhat-viem-assertions";
import { configVariable, defineConfig } from "hardhat/config";

// The npm package `solc` is the compiler: nothing is downloaded at build time.
const solcPath = createRequire(import.meta.url).resolve("solc/soljson.js");

// One set of settings for every build. The router's address follows from its init code, so whatever is deployed
// anywhere must come out of exactly these. `bytecodeHash: "none"` keeps comments and paths out of that address.
const compiler = {
  version: "0.8.37",
  path: solcPath,
  settings: {
    optimizer: { enabled: true, runs: 1_000_000 },
    viaIR: true,
    evmVersion: "cancun",
    metadata: { bytecodeHash: "none" },
  },
} as const;

// Randomised Solidity tests are reduced in `npm test` and whole in `npm run test:long`.
const long = process.env.TRIBUTARY_LONG === "1";

export default defineConfig({
  plugins: [
    hardhatEthers,
    hardhatIgnition,
    hardhatIgnitionViem,
    hardhatKeystore,
    hardhatMocha,
    hardhatNetworkHelpers,
    hardhatTypechain,
    hardhatVerify,
    hardhatViem,
    hardhatViemAssertions,
  ],
  solidity: {
    profiles: { default: { compilers: [compiler] }, production: { compilers: [compiler] } },
  },
  paths: { tests: { mocha: "test", solidity: "test" } },
  test: {
    // It ends a test that hangs, on however slow a machine, and measures nothing.
    mocha: { timeout: long ? 14_400_000 : 600_000 },
    solidity: {
      fuzz: { runs: long ? 10_000 : 256, seed: "0x7472696275746172" },
      invariant: { runs: long ? 256 : 32, depth: long ? 128 : 32 },
    },
  },
  typechain: { outDir: "types/ethers-contracts" },
  networks: {
    default: { type: "edr-simulated", chainType: "l1", hardfork: "osaka" },
    baseSepolia: {
      type: "http",
      chainType: "op",
      chainId: 84532,
      url: configVariable("RPC_URL"),
      accounts: [configVariable("PRIVATE_KEY")],
    },
    base: {
      type: "http",
      chainType: "op",
      chainId: 8453,
      url: configVariable("RPC_URL"),
      accounts: [configVariable("PRIVATE_KEY")],
    },
  },
});
