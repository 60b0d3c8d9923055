import { BaseError, ContractFunctionRevertedError, ContractFunctionZeroDataError } from "viem";
import { describeFailure } from "../chain/ask.ts";
import { TributaryError } from "../errors.ts";
import { type DoctorCheck, failed } from "./report.ts";

/** Runs a check. Where the node does not answer, that is what the check found. */
export async function checked(name: string, look: () => Promise<DoctorCheck>): Promise<DoctorCheck> {
  try {
    return await look();
  } catch (error) {
    const reason = error instanceof TributaryError ? (error.details ?? error.shortMessage) : describeFailure(error);
    return failed(name, `no answer: ${reason}`, "Run doctor again; if it stays, use another node (--rpc-url).");
  }
}

/** A contract's answer; undefined where the contract does not know the function or reverts. A silent node is an error. */
export async function answerOf<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    const refusal = (cause: unknown) =>
      cause instanceof ContractFunctionRevertedError || cause instanceof ContractFunctionZeroDataError;
    if (error instanceof BaseError && error.walk(refusal) !== null) return undefined;
    throw error;
  }
}
