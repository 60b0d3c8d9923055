import { BaseError, type Hex } from "viem";
import { unavailable } from "../ask.ts";
import type { ChainClient } from "../client.ts";
import { revertDataOf } from "../reverts.ts";
import type { PreparedCall } from "./preflight.ts";

/**
 * The text of go-ethereum's `ErrOutOfGas`. It comes without data, under a code that has many other meanings (-32000).
 */
const OUT_OF_GAS = "out of gas";

/**
 * Asks the node what a call would do as a transaction with exactly its gas.
 * @returns What it reverts with: empty if the gas does not suffice or the revert has no data, undefined
 * if it goes through.
 * @throws ChainUnavailableError if the node does not answer, or cannot say.
 */
export async function preflightCall(
  client: ChainClient,
  { from, to, data, gas }: PreparedCall,
): Promise<Hex | undefined> {
  try {
    await client.call({ account: from, to, data, gas });
    return undefined;
  } catch (error) {
    const reason = revertDataOf(error);
    if (reason !== undefined) return reason;
    const isOutOfGas = (cause: unknown) => cause instanceof BaseError && cause.details === OUT_OF_GAS;
    if (error instanceof BaseError && error.walk(isOutOfGas) !== null) return "0x";
    throw unavailable("the pre-flight of a call", error);
  }
}
