import { Command } from "commander";
import { UsageError } from "../src/cli/exit/errors.ts";
import { examples } from "../src/cli/options/examples.ts";
import { integer, jsonOption, seconds } from "../src/cli/options/options.ts";
import { formatTable, printJson, printLine, printVerbatim } from "../src/cli/output/output.ts";
import { listenForStop } from "../src/cli/process/stopSignals.ts";
import { type BareLocalChain, PortUnavailableError, startLocalChain } from "../src/local/index.ts";

type Options = { readonly port: number; readonly blockTime: number; readonly bare?: true; readonly json?: true };

const SHOWN_ACCOUNTS = 5;

/** `tributary local`: runs the local chain until it is interrupted. */
export function localCommand(): Command {
  return new Command("local")
    .description("Start a local chain that clients take for Base Sepolia, with test USDC, until Ctrl-C.")
    .option("--port <number>", "port on 127.0.0.1; 0 picks a free one", integer(0, 65_535), 8545)
    .option("--block-time <seconds>", "time between blocks; 0 mines every transaction at once", seconds(3600), 2)
    .option("--bare", "leave the settlement router out, to try a deployment")
    .addOption(jsonOption())
    .addHelpText("after", examples("local --block-time 0", "local --port 0 --json"))
    .action(runLocal);
}

async function runLocal({ port, blockTime, bare, json }: Options): Promise<void> {
  const { asked } = listenForStop();
  const chain = await start(port, blockTime, bare === true);
  if (json === true) printJson(summary(chain));
  else {
    printLine(describe(chain, blockTime));
    // Commands that are copied have to stay as they are.
    printVerbatim(nextSteps(chain));
  }
  await asked;
  await chain.stop();
}

async function start(port: number, blockTimeSeconds: number, bare: boolean): Promise<BareLocalChain> {
  try {
    return await startLocalChain({ port, blockTimeSeconds, bare });
  } catch (error) {
    if (!(error instanceof PortUnavailableError)) throw error;
    throw new UsageError(error.shortMessage, {
      hint: "Stop what listens there (another tributary local?), or pass --port 0 for a free one.",
      cause: error,
    });
  }
}

function summary(chain: BareLocalChain) {
  const { rpcUrl, webSocketUrl, chainId, usdc, multicall3, createX, batchSettlement, router, accounts } = chain;
  return {
    rpcUrl,
    webSocketUrl,
    chainId,
    usdc,
    router: router ?? null,
    multicall3,
    batchSettlement,
    createX: createX ?? null,
    accounts,
  };
}

function describe(chain: BareLocalChain, blockTime: number): string {
  const places = [
    ["RPC", chain.rpcUrl],
    ["WebSocket", chain.webSocketUrl],
    ["chain id", `${chain.chainId} (as Base Sepolia)`],
    ["blocks", blockTime === 0 ? "at once, one per transaction" : `every ${blockTime} s`],
    ["USDC", chain.usdc],
    ["router", chain.router ?? "left out (--bare)"],
    ["channels", `${chain.batchSettlement} (x402 batch-settlement)`],
    ["Multicall3", chain.multicall3],
    ["CreateX", chain.createX ?? "left out (install @nomicfoundation/ignition-core)"],
  ];
  const accounts = chain.accounts
    .slice(0, SHOWN_ACCOUNTS)
    .map(({ address, privateKey }, index) => [String(index), address, privateKey]);
  return [
    formatTable([{ title: "Local chain" }, { title: "" }], places),
    "",
    formatTable(
      [{ title: "#" }, { title: "account", isWhole: true }, { title: "private key", isWhole: true }],
      accounts,
    ),
    `  … ${chain.accounts.length} in all: 10,000 ETH each, and 1,000,000 USDC for the first ten. Their keys are public knowledge.`,
    "",
  ].join("\n");
}

/** How the commands are called from where this runs: a checkout has sources, and npx would look for them in the registry. */
const program = import.meta.filename.endsWith(".ts") ? "npm run -s tributary --" : "npx tributary";

function nextSteps(chain: BareLocalChain): string {
  const elsewhere = chain.rpcUrl === "http://127.0.0.1:8545" ? "" : ` --rpc-url ${chain.rpcUrl}`;
  return [
    "Next, in another terminal:",
    `  ${program} fund ${chain.accounts[10]?.address ?? "ADDRESS"} 100${elsewhere}`,
    '  MNEMONIC="test test test test test test test test test test test junk" \\',
    `    ${program} sign --payers 5 --count 20 --amount 0.01 \\`,
    `    --payee ${chain.accounts[11]?.address ?? "ADDRESS"} --out payments.jsonl`,
    `  ${program} settle payments.jsonl${elsewhere}`,
    "",
    "Ctrl-C stops it.",
  ].join("\n");
}
