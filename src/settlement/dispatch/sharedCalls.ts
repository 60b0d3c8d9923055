import { decodeFunctionResult, encodeFunctionData, type Hex, multicall3Abi, size } from "viem";
import { DEFAULT_LIMITS, type PlanLimits } from "../../batch/index.ts";
import { unavailable } from "../../chain/ask.ts";
import type { ChainClient } from "../../chain/client.ts";
import { MULTICALL3_ADDRESS } from "../../chain/multicall3.ts";
import { isRevert } from "../../chain/reverts.ts";
import { byteLength, countBytes, MAX_TRANSACTION_GAS } from "../../gas/index.ts";
import type { CallRow } from "../../journal/ports/payments.ts";
import { signersOf } from "../outcome/receipts/callOutcomes.ts";
import type { Composition } from "../sending/types.ts";

// Calls that do not depend on their caller go together through Multicall3's `aggregate3`, and each may fail by itself.
// Multicall3 gives a call whatever gas is left, so the transaction's is the sum of what each was given, never an
// estimate: an estimate of calls that may fail is too low by design. Nothing holds a call to its share, which is why a
// call that may run a stranger's code has no `proof` and goes alone.

/**
 * What `aggregate3` needs for itself and for each call, above what was measured for its least optimised build (6,400).
 */
const OVERHEAD_GAS = 30_000n;
const CALL_OVERHEAD_GAS = 8_000n;
/** Address, flag, offsets and length of a call inside `aggregate3`, and the padding of its data. */
const CALL_OVERHEAD_BYTES = 192;

/**
 * The most gas that calls with strangers among their signers may have together in a shared transaction: so much they
 * can burn.
 */
const MAX_STRANGERS_GAS = 2_000_000n;

/** Whether a call may share a transaction. */
export function isShareable({ work }: CallRow): boolean {
  return work.proof !== undefined;
}

/** Calls as one transaction: several through Multicall3, one by itself. */
export function composeCalls(rows: readonly CallRow[]): Composition {
  const [first] = rows;
  if (first === undefined) throw new Error("a batch has at least one call");
  if (rows.length > 1) {
    const data = encodeAggregate(rows);
    const gas = gasLimitOf(rows, data);
    return { kind: "call", to: MULTICALL3_ADDRESS, data, gas, router: MULTICALL3_ADDRESS, payments: rows };
  }
  const { to, data, gas, proof } = first.work;
  // What may be shared has the gas of the call alone, what goes alone that of its transaction.
  const limit = proof === undefined ? gas : transactionGas(data, gas);
  return { kind: "call", to, data, gas: limit, router: undefined, payments: [first] };
}

/**
 * Cuts shareable calls into transactions, in their order.
 * @param most Calls in one of them, and those of them that have strangers among their signers.
 */
export function packCalls(
  rows: readonly CallRow[],
  limits: Partial<PlanLimits>,
  { items: maxItems = Number.POSITIVE_INFINITY, strangers: maxStrangers = Number.POSITIVE_INFINITY }: PackBounds = {},
): CallRow[][] {
  const { maxGasPerTransaction, blockGasLimit, blockShare, maxCalldataBytes } = { ...DEFAULT_LIMITS, ...limits };
  const share =
    blockGasLimit === undefined
      ? MAX_TRANSACTION_GAS
      : (blockGasLimit * BigInt(Math.round(blockShare * 1e6))) / 10n ** 6n;
  const gasCap = share < maxGasPerTransaction ? share : maxGasPerTransaction;
  const packs: CallRow[][] = [];
  let room = { gas: 0n, bytes: 0, items: 0, strangers: 0, strangersGas: 0n };
  for (const row of rows) {
    const { data, gas } = row.work;
    const bytes = byteLength(data) + CALL_OVERHEAD_BYTES;
    // Count every byte as non-zero, and memory as if the transaction were as large as it may be; or the floor price of
    // the bytes.
    const standard =
      allowanceOf(gas) + BigInt(16 * bytes) + memoryGas(bytes) + BigInt((bytes * maxCalldataBytes) >> 17);
    const floor = BigInt(40 * bytes);
    const need = standard > floor ? standard : floor;
    const isStrange = signersOf(row).length > 0;
    const [strangers, strangersGas] = isStrange ? [1, gas] : [0, 0n];
    const last = packs.at(-1);
    const fits =
      room.gas >= need &&
      room.bytes >= bytes &&
      room.items > 0 &&
      room.strangers >= strangers &&
      room.strangersGas >= strangersGas;
    if (last !== undefined && fits) last.push(row);
    else {
      packs.push([row]);
      room = {
        gas: gasCap - 21_000n - OVERHEAD_GAS,
        bytes: maxCalldataBytes,
        // A call that is above the bound by itself shares its transaction with no other.
        items: strangersGas > MAX_STRANGERS_GAS ? 1 : maxItems,
        strangers: maxStrangers,
        strangersGas: MAX_STRANGERS_GAS,
      };
    }
    room = {
      gas: room.gas - need,
      bytes: room.bytes - bytes,
      items: room.items - 1,
      strangers: room.strangers - strangers,
      strangersGas: room.strangersGas - strangersGas,
    };
  }
  return packs;
}

type PackBounds = { readonly items?: number | undefined; readonly strangers?: number };

/**
 * The result of a call in an eth_call of its transaction. `reason` is the data that it reverted with, `0x` if gas ran
 * out.
 */
export type Screened = { readonly row: CallRow; readonly reason: Hex | undefined };

/**
 * Asks the node what a transaction of these calls would do, with the gas that it would be sent with.
 * @returns Undefined if the transaction as a whole would fail, or there is no Multicall3.
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function screenCalls(
  client: ChainClient,
  from: Composition["to"],
  rows: readonly CallRow[],
): Promise<readonly Screened[] | undefined> {
  const data = encodeAggregate(rows);
  let answer: Hex;
  try {
    const call = { account: from, to: MULTICALL3_ADDRESS, data, gas: gasLimitOf(rows, data) };
    answer = (await client.call(call)).data ?? "0x";
  } catch (error) {
    if (isRevert(error)) return undefined;
    throw unavailable("the pre-flight of calls", error);
  }
  if (answer === "0x") return undefined;
  const results = decodeFunctionResult({ abi: multicall3Abi, functionName: "aggregate3", data: answer });
  return rows.map((row, index) => {
    const { success, returnData } = results[index] ?? { success: false, returnData: "0x" };
    return { row, reason: success ? undefined : returnData };
  });
}

function encodeAggregate(rows: readonly CallRow[]): Hex {
  const calls = rows.map(({ work: { to, data } }) => ({ target: to, allowFailure: true, callData: data }));
  return encodeFunctionData({ abi: multicall3Abi, functionName: "aggregate3", args: [calls] });
}

function gasLimitOf(rows: readonly CallRow[], data: Hex): bigint {
  const calls = rows.reduce((sum, { work }) => sum + allowanceOf(work.gas), 0n);
  return transactionGas(data, memoryGas(size(data)) + OVERHEAD_GAS + calls);
}

/** The gas that must be left so that a call gets `gas` (EIP-150), and the gas for making the call. */
function allowanceOf(gas: bigint): bigint {
  return gas + gas / 63n + 1n + CALL_OVERHEAD_GAS;
}

/** The gas of a transaction with this calldata that needs `executionGas` beside, never below the floor of EIP-7623. */
function transactionGas(data: Hex, executionGas: bigint): bigint {
  const { zero, nonZero } = countBytes(data);
  const standard = BigInt(4 * zero + 16 * nonZero) + executionGas;
  const floor = BigInt(10 * zero + 40 * nonZero);
  return 21_000n + (standard > floor ? standard : floor);
}

/** The calls' data lies in memory twice. */
function memoryGas(bytes: number): bigint {
  const words = Math.ceil((2 * bytes) / 32);
  return BigInt(6 * words + Math.ceil((words * words) / 512));
}
