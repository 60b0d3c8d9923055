import type { BareLocalChain } from "../../local/index.ts";
import { formatTable } from "../output/output.ts";

const SHOWN_ACCOUNTS = 5;

/** How the chain makes blocks, as the command's options say it: seconds, milliseconds and a share. */
export type Pace = { readonly blockTime: number; readonly preconfirm: number; readonly takenBack: number };

/** What `--json` prints about a local chain. */
export function summary(chain: BareLocalChain, { preconfirm, takenBack }: Pace) {
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
    preconfirmMs: preconfirm,
    takenBackShare: takenBack,
    accounts,
  };
}

export function describe(chain: BareLocalChain, { blockTime, preconfirm, takenBack }: Pace): string {
  const backAgain = takenBack === 0 ? "" : `, ${Number((takenBack * 100).toFixed(2))} % of them taken back`;
  const places = [
    ["RPC", chain.rpcUrl],
    ["WebSocket", chain.webSocketUrl],
    ["chain id", `${chain.chainId} (as Base Sepolia)`],
    ["blocks", blockTime === 0 ? "at once, one per transaction" : `every ${blockTime} s`],
    ["preconfirmations", preconfirm === 0 ? "none" : `every ${preconfirm} ms${backAgain}`],
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
    `  … ${chain.accounts.length} in total: 10,000 ETH each, and 1,000,000 USDC for the first ten. Their keys are public knowledge.`,
    "",
  ].join("\n");
}

/** How to call the commands from here. In a checkout, npx would look for the package in the registry. */
const program = import.meta.filename.endsWith(".ts") ? "npm run -s tributary --" : "npx tributary";

export function nextSteps(chain: BareLocalChain): string {
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
