import { describeFailure } from "../failures.ts";
import { ChainUnavailableError } from "./errors.ts";

/**
 * Waits for a node's answer. The error names what was asked and why it did not come, and has no cause: viem's errors
 * hold the node's URL, which may hold a key.
 * @param what What the node was asked for, to go behind "The node did not return".
 * @throws ChainUnavailableError if the answer is an error or cannot be read.
 */
export async function ask<Answer>(what: string, answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer;
  } catch (error) {
    throw unavailable(what, error);
  }
}

/** That a node did not return `what`, without secrets. */
export function unavailable(what: string, error: unknown): ChainUnavailableError {
  return new ChainUnavailableError(`The node did not return ${what}.`, {
    details: describeFailure(error),
    hint: "Check the RPC URL and that the node runs, then ask again.",
  });
}
