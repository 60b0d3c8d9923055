import type { Request } from "./node.ts";

/** A JSON-RPC 2.0 response. */
type RpcResponse = {
  readonly jsonrpc: "2.0";
  readonly id: unknown;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
};

/** The error code that geth, and so every client library, uses for a call that reverted. */
const REVERTED = 3;

/** The answer to one HTTP body or WebSocket message: a request or a batch of requests. */
export async function respond(request: Request, text: string): Promise<string> {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return JSON.stringify(failure(null, -32700, "Parse error: the body is not JSON."));
  }
  if (!Array.isArray(message)) return JSON.stringify(await answer(request, message));
  return JSON.stringify(await Promise.all(message.map((single) => answer(request, single))));
}

/** Answers one request. It never throws: whatever goes wrong is an error response (JSON-RPC 2.0, section 5.1). */
async function answer(request: Request, message: unknown): Promise<RpcResponse> {
  if (typeof message !== "object" || message === null || !("method" in message) || typeof message.method !== "string") {
    return failure(null, -32600, "Invalid request: not a JSON-RPC request object.");
  }
  const id = "id" in message ? message.id : null;
  const params = "params" in message ? message.params : [];
  if (!Array.isArray(params)) return failure(id, -32602, "Invalid params: expected an array.");
  try {
    const result = await request(message.method, params);
    return { jsonrpc: "2.0", id, result: result === undefined ? null : result };
  } catch (error) {
    return describeFailure(id, error);
  }
}

function failure(id: unknown, code: number, message: string): RpcResponse {
  return { jsonrpc: "2.0", id, error: { code, message } };
}

/**
 * Clients decode a revert from code 3 with the raw revert data in `error.data`. Other errors keep the data that they
 * carry.
 */
function describeFailure(id: unknown, error: unknown): RpcResponse {
  const message = error instanceof Error ? error.message : String(error);
  const code = read(error, "code");
  const data = read(error, "data");
  const revertData = typeof data === "string" ? data : read(data, "data");
  if (code === REVERTED) {
    return { jsonrpc: "2.0", id, error: { code, message, data: revertData ?? "0x" } };
  }
  const numeric = typeof code === "number" ? code : -32603;
  return {
    jsonrpc: "2.0",
    id,
    error: { code: numeric, message, ...(revertData === undefined ? {} : { data: revertData }) },
  };
}

function read(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}
