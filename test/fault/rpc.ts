// Plain JSON-RPC to the node itself, without the proxy, for code that needs the truth.

import { post } from "../helpers/post.ts";

export type Rpc = <T = unknown>(method: string, params?: readonly unknown[]) => Promise<T>;

export type RpcAnswer = {
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string };
};

/** Asks and returns whatever the node answers, an error included. */
export async function askNode(url: string, method: string, params: readonly unknown[]): Promise<RpcAnswer> {
  const { text } = await post(url, JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }));
  return JSON.parse(text) as RpcAnswer;
}

/** Asks, and rejects if the answer is an error. */
export function rpcOf(url: string): Rpc {
  return async <T>(method: string, params: readonly unknown[] = []) => {
    const { result, error } = await askNode(url, method, params);
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result as T;
  };
}

export function hexOf(value: number | bigint): `0x${string}` {
  return `0x${value.toString(16)}`;
}
