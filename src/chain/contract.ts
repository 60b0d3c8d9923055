import { type Abi, type Address, decodeFunctionResult, encodeFunctionData } from "viem";
import { TributaryError } from "../errors.ts";
import { unavailable } from "./ask.ts";
import type { ChainClient } from "./client.ts";
import { isRevert } from "./reverts.ts";

/** A contract does not answer as it should: it reverts, is not there, or returns something that cannot be decoded. */
export class ContractFaultError extends TributaryError {
  override readonly name = "ContractFaultError";
}

/**
 * Makes one eth_call with bounded gas to a contract that may be a stranger's.
 * @param what What is asked, for the error.
 * @throws ContractFaultError if the contract is to blame, ChainUnavailableError if the node does not answer.
 */
export async function askContract(
  client: ChainClient,
  what: string,
  call: {
    readonly address: Address;
    readonly abi: Abi;
    readonly functionName: string;
    readonly args?: readonly unknown[] | undefined;
    readonly gas: bigint;
  },
): Promise<unknown> {
  const { address: to, abi, functionName, args = [], gas } = call;
  const request = { to, gas, data: encodeFunctionData({ abi, functionName, args }) };
  const { data = "0x" } = await client.call(request).catch((error: unknown) => {
    if (!isRevert(error)) throw unavailable(what, error);
    throw new ContractFaultError(`The contract at ${to} reverts when it is asked for ${what}.`);
  });
  try {
    return decodeFunctionResult({ abi, functionName, args, data });
  } catch {
    throw new ContractFaultError(`What the contract at ${to} says of ${what} cannot be read.`);
  }
}
