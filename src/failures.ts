import { BaseError, HttpRequestError, RpcRequestError, TimeoutError } from "viem";
import { TributaryError } from "./errors.ts";

/** An error as fields of a log line. Its cause is left out, because it may quote a URL with a key. */
export function describeError(error: unknown): { readonly error: string } {
  if (error instanceof TributaryError) {
    return { error: error.details === undefined ? error.shortMessage : `${error.shortMessage} ${error.details}` };
  }
  if (error instanceof BaseError) return { error: `${error.name}: ${describeFailure(error)}` };
  return { error: error instanceof Error ? `${error.name}: ${error.message.split("\n")[0]}` : "unknown" };
}

/** Why a request failed, in a few words, without its URL and body. */
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
