import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { setTimeout as delay } from "node:timers/promises";
import { type LocalChainAccount, TEST_MNEMONIC } from "../../src/local/accounts.ts";
import { type Genesis, populate } from "../../src/local/genesis.ts";
import type { Request } from "../../src/local/node.ts";
import { TEST_ACCOUNTS } from "../../src/local/testAccounts.ts";
import { post } from "./post.ts";

export type AnvilOptions = {
  /** Seconds between blocks, fractions are fine. Undefined: only `evm_mine` makes a block. 0: every transaction makes one. */
  readonly blockTimeSeconds?: number;
  /** The safe block is this many behind the newest, the final one twice as many. Default 2. */
  readonly slotsPerEpoch?: number;
  /** Unix seconds of the first block. Default: now. */
  readonly timestamp?: bigint;
};

/** A second node with a real mempool, reorgs and finality, and the contracts of Base Sepolia. */
export type Anvil = Genesis & {
  readonly rpcUrl: string;
  readonly accounts: readonly LocalChainAccount[];
  readonly request: Request;
  /** Mines blocks, now. */
  readonly mine: (blocks?: number) => Promise<void>;
  readonly stop: () => Promise<void>;
};

export const CHAIN_ID = 84532;
const ACCOUNT_COUNT = 10;
/** Ends a wait that would never end. */
const START_TIMEOUT_MS = 240_000;

/**
 * Starts anvil on a free port of 127.0.0.1 and puts USDC, Multicall3 and the router there. It ends with `stop`, and also
 * when this process ends in whatever way: a shell that outlives neither holds it.
 */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
  const { blockTimeSeconds, slotsPerEpoch = 2, timestamp } = options;
  const args = ["--port", "0", "--chain-id", String(CHAIN_ID), "--hardfork", "osaka", "--gas-limit", "120000000"];
  args.push("--slots-in-an-epoch", String(slotsPerEpoch), "--accounts", String(ACCOUNT_COUNT), "--mnemonic");
  args.push(TEST_MNEMONIC, "--base-fee", "5000000", "--no-request-size-limit");
  if (timestamp !== undefined) args.push("--timestamp", String(timestamp));
  const { rpcUrl, end } = await spawnAnvil(args);
  try {
    const request = requester(rpcUrl);
    const accounts = TEST_ACCOUNTS.slice(0, ACCOUNT_COUNT);
    const genesis = await populate(untilMined(request), {
      accounts,
      usdcPerAccount: 1_000_000_000_000n,
      fundedCount: ACCOUNT_COUNT,
      bare: false,
    });
    if (blockTimeSeconds === undefined) await request("evm_setAutomine", [false]);
    else if (blockTimeSeconds > 0) {
      await request("evm_setAutomine", [false]);
      await request("evm_setIntervalMining", [blockTimeSeconds]);
    }
    const mine = async (blocks = 1): Promise<void> => {
      for (let i = 0; i < blocks; i += 1) await request("evm_mine");
    };
    return { ...genesis, rpcUrl, accounts, request, mine, stop: end };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Anvil answers before it mines: a transaction's hash is held back until its receipt is there. */
function untilMined(request: Request): Request {
  return async (method, params) => {
    const answer = await request(method, params);
    if (method !== "eth_sendRawTransaction") return answer;
    while ((await request("eth_getTransactionReceipt", [answer])) === null) await delay(5);
    return answer;
  };
}

/** Plain JSON-RPC over HTTP. Rejects with the node's message. */
export function requester(rpcUrl: string): Request {
  let id = 0;
  return async (method, params = []) => {
    id += 1;
    const { text } = await post(rpcUrl, JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    const answer = JSON.parse(text) as { result?: unknown; error?: { message: string } };
    if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result;
  };
}

// The shell waits for the end of its input, which comes when this process ends, however that happens.
const SHELL = '"$0" "$@" & node=$!; cat > /dev/null; kill -9 $node; wait $node 2> /dev/null';

async function spawnAnvil(args: readonly string[]): Promise<{ rpcUrl: string; end: () => Promise<void> }> {
  const file = createRequire(import.meta.url).resolve(
    `@foundry-rs/anvil-${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}/bin/anvil`,
  );
  const shell = spawn("sh", ["-c", SHELL, file, ...args], { stdio: ["pipe", "pipe", "pipe"] });
  const closed = new Promise<void>((resolve) => shell.once("close", () => resolve()));
  const end = async (): Promise<void> => {
    shell.ref();
    shell.stdin.end();
    await closed;
  };
  let said = "";
  try {
    const rpcUrl = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`anvil did not start: ${said}`)), START_TIMEOUT_MS);
      const listen = (chunk: Buffer): void => {
        said += chunk.toString();
        const address = /Listening on (127\.0\.0\.1:\d+)/.exec(said)?.[1];
        if (address === undefined) return;
        clearTimeout(timer);
        resolve(`http://${address}`);
      };
      shell.stdout.on("data", listen);
      shell.stderr.on("data", listen);
      shell.once("error", reject);
    });
    // Read on, or the pipe fills up, but keep nothing.
    for (const stream of [shell.stdout, shell.stderr]) stream.removeAllListeners("data").resume();
    shell.unref();
    return { rpcUrl, end };
  } catch (error) {
    await end();
    throw error;
  }
}
