import { type Address, encodeFunctionData, type Hex, isHex, parseAbi } from "viem";
import { encodeTransfer } from "../src/authorization/encode.ts";
import type { SignedAuthorization } from "../src/authorization/types.ts";
import type { LocalChain } from "../src/local/index.ts";

/** The cost of settling some payments in one way. */
export type Measurement = {
  readonly transactions: number;
  readonly gasUsed: bigint;
  /** How many of the payments the token's logs prove. */
  readonly settled: number;
};

const multicallAbi = parseAbi([
  "struct Call { address target; bool allowFailure; bytes callData; }",
  "struct Result { bool success; bytes returnData; }",
  "function aggregate3(Call[] calls) payable returns (Result[] results)",
]);

/** `AuthorizationUsed(address,bytes32)`. */
const AUTHORIZATION_USED = "0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5";

/** Payments per `aggregate3`. 300 use about 14.5 million gas, and a transaction may use 2^24 (EIP-7825). */
const CALLS_PER_TRANSACTION = 300;

/**
 * Settles each payment in its own transaction, then reverts the chain to its state before. The chain must mine at once.
 * @returns The cost from the chain's current state.
 */
export function measureOneByOne(
  chain: LocalChain,
  payments: readonly SignedAuthorization[],
  onProgress: (done: number) => void,
): Promise<Measurement> {
  const calls = payments.map((payment) => ({ to: chain.usdc, data: encodeTransfer(payment), gas: 200_000n }));
  return takingBack(chain, () => sendAll(chain, calls, onProgress));
}

/** Like {@link measureOneByOne}, but with Multicall3's `aggregate3`, and the payments in the order given. */
export function measureMulticall(chain: LocalChain, payments: readonly SignedAuthorization[]): Promise<Measurement> {
  const calls: Call[] = [];
  for (let i = 0; i < payments.length; i += CALLS_PER_TRANSACTION) {
    const group = payments.slice(i, i + CALLS_PER_TRANSACTION).map((payment) => encodeTransfer(payment));
    const args = [group.map((callData) => ({ target: chain.usdc, allowFailure: true, callData }))] as const;
    const data = encodeFunctionData({ abi: multicallAbi, functionName: "aggregate3", args });
    calls.push({ to: chain.multicall3, data, gas: 2n ** 24n });
  }
  return takingBack(chain, () => sendAll(chain, calls, () => undefined));
}

type Call = { readonly to: Address; readonly data: Hex; readonly gas: bigint };

async function sendAll(
  chain: LocalChain,
  calls: readonly Call[],
  onProgress: (done: number) => void,
): Promise<Measurement> {
  const from = chain.accounts[1]?.address;
  let gasUsed = 0n;
  let settled = 0;
  for (const [index, { to, data, gas }] of calls.entries()) {
    const hash = await chain.request("eth_sendTransaction", [{ from, to, data, gas: `0x${gas.toString(16)}` }]);
    const receipt = await chain.request("eth_getTransactionReceipt", [hash]);
    gasUsed += BigInt(text(receipt, "gasUsed"));
    settled += usedAuthorizations(receipt);
    if (index % 25 === 0) onProgress(index);
  }
  return { transactions: calls.length, gasUsed, settled };
}

async function takingBack<Answer>(chain: LocalChain, work: () => Promise<Answer>): Promise<Answer> {
  const snapshot = await chain.request("evm_snapshot");
  try {
    return await work();
  } finally {
    await chain.request("evm_revert", [snapshot]);
  }
}

function usedAuthorizations(receipt: unknown): number {
  if (typeof receipt !== "object" || receipt === null || !("logs" in receipt) || !Array.isArray(receipt.logs)) return 0;
  const logs: readonly unknown[] = receipt.logs;
  return logs.filter((log) => {
    const topics: unknown = typeof log === "object" && log !== null && "topics" in log ? log.topics : undefined;
    return Array.isArray(topics) && topics[0] === AUTHORIZATION_USED;
  }).length;
}

function text(value: unknown, field: string): string {
  const found: unknown = typeof value === "object" && value !== null ? Reflect.get(value, field) : undefined;
  if (!isHex(found)) throw new Error(`the chain's answer has no ${field}`);
  return found;
}
