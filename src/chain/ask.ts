import { BaseError, HttpRequestError, RpcRequestError, TimeoutError } from "viem";
import { ChainUnavailableError } from "./errors.ts";

/**
 * Waits for a node's answer. The error names what was asked and why it did not come, and has no cause: viem's errors hold
 * the node's URL, which may hold a key.
 * @param what What the node was asked for, to go behind "The node did not return".
 * @throws ChainUnavailableError where the answer is an error or cannot be read.
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
    hint: "Check the RPC URL (--rpc-url, RPC_URL) and that the node runs, then run the command again.",
  });
}

/** Why a request failed, in a few words, without the URL and without the request's body. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof BaseError)) return error instanceof Error ? "Its answer cannot be read." : "It failed.";
  const root = error.walk((cause) => {
    return cause instanceof TimeoutError || cause instanceof HttpRequestError || cause instanceof RpcRequestError;
  });
  if (root instanceof TimeoutError) return "It took too long to answer.";
  if (root instanceof HttpRequestError) {
    return root.status === undefined ? "It cannot be reached." : `It answered with HTTP status ${root.status}.`;
  }
  if (root instanceof RpcRequestError) return `It answered: ${firstLine(root.details)}`;
  return firstLine(error.shortMessage);
}

function firstLine(text: string): string {
  const [line = ""] = text.split("\n");
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}
