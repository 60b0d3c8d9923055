import { BaseError, ContractFunctionZeroDataError } from "viem";
import { isRevert } from "../chain/reverts.ts";
import { TributaryError } from "../errors.ts";
import { describeFailure } from "../failures.ts";
import { type DoctorCheck, failed } from "./report.ts";

/** Runs a check. If the node does not answer, the check fails with that. */
export async function checked(name: string, look: () => Promise<DoctorCheck>): Promise<DoctorCheck> {
  try {
    return await look();
  } catch (error) {
    const reason = error instanceof TributaryError ? (error.details ?? error.shortMessage) : describeFailure(error);
    return failed(name, `no answer: ${reason}`, "Check again; if it stays, use another node.");
  }
}

/**
 * A contract's answer; undefined if the contract does not know the function or reverts. A node that is silent is an
 * error.
 */
export async function answerOf<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    const isEmpty = (cause: unknown) => cause instanceof ContractFunctionZeroDataError;
    if (isRevert(error) || (error instanceof BaseError && error.walk(isEmpty) !== null)) return undefined;
    throw error;
  }
}
