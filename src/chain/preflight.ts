import { type Address, BaseError, decodeFunctionResult, encodeFunctionData, type Hex, RawContractError } from "viem";
import type { SignedAuthorization } from "../authorization/types.ts";
import { ierc3009Artifact } from "../contracts/IERC3009.ts";
import { settlementRouterArtifact } from "../contracts/SettlementRouter.ts";
import { decodeRefusal, type Refusal } from "../router/reason.ts";
import type { ChainClient } from "./client.ts";
import { ChainUnavailableError } from "./errors.ts";

/** What a batch would do if it were mined now. `failed` holds positions in the batch. */
export type Preflight = { readonly attempted: number; readonly failed: ReadonlySet<number> };

/** A call as it will be sent. */
export type PreparedCall = { readonly from: Address; readonly to: Address; readonly data: Hex; readonly gas: bigint };

/**
 * Asks the node what a router batch would do, in one eth_call with the gas that it will be sent with.
 * @throws ChainUnavailableError where the node does not answer or the batch as a whole reverts.
 */
export async function preflightBatch(client: ChainClient, call: PreparedCall): Promise<Preflight> {
  const data = await client.call({ account: call.from, to: call.to, data: call.data, gas: call.gas }).then(
    (answer) => answer.data ?? "0x",
    (cause: unknown) => {
      throw new ChainUnavailableError("The pre-flight of a batch failed as a whole.", { cause });
    },
  );
  const [attempted, bitmap] = decodeFunctionResult({
    abi: settlementRouterArtifact.abi,
    functionName: "settle",
    data,
  });
  return { attempted: Number(attempted), failed: readBitmap(bitmap, Number(attempted)) };
}

/**
 * Asks the token alone what it has against an authorization: undefined where it would settle.
 * @throws ChainUnavailableError where the node does not answer, or refuses without saying what the token said.
 */
export async function preflightAuthorization(
  client: ChainClient,
  authorization: SignedAuthorization,
  options: { readonly from: Address; readonly gas: bigint },
): Promise<Refusal | undefined> {
  try {
    const data = encodeTransfer(authorization);
    await client.call({ account: options.from, to: authorization.token, data, gas: options.gas });
    return undefined;
  } catch (cause) {
    const revert = revertData(cause);
    if (revert !== undefined) return decodeRefusal(revert);
    throw new ChainUnavailableError("The node did not answer the pre-flight of an authorization.", { cause });
  }
}

/**
 * Calldata of the token's own `transferWithAuthorization`: the (v, r, s) overload for a 65-byte signature of an account
 * without code, otherwise the `bytes` overload.
 */
export function encodeTransfer(
  authorization: SignedAuthorization,
  overload: "vrs" | "bytes" = overloadFor(authorization),
): Hex {
  const { from, to, value, validAfter, validBefore, nonce, signature } = authorization;
  const terms = [from, to, value, validAfter, validBefore, nonce] as const;
  const { abi } = ierc3009Artifact;
  if (overload === "bytes") {
    return encodeFunctionData({ abi, functionName: "transferWithAuthorization", args: [...terms, signature] });
  }
  const r: Hex = `0x${signature.slice(2, 66)}`;
  const s: Hex = `0x${signature.slice(66, 130)}`;
  const v = Number.parseInt(signature.slice(130), 16);
  return encodeFunctionData({ abi, functionName: "transferWithAuthorization", args: [...terms, v, r, s] });
}

function overloadFor({ signature }: SignedAuthorization): "vrs" | "bytes" {
  return signature.length === 132 ? "vrs" : "bytes";
}

function readBitmap(bitmap: Hex, count: number): Set<number> {
  const failed = new Set<number>();
  for (let i = 0; i < count; i += 1) {
    const byte = Number.parseInt(bitmap.slice(2 + 2 * (i >> 3), 4 + 2 * (i >> 3)), 16);
    if ((byte >> (i & 7)) & 1) failed.add(i);
  }
  return failed;
}

/** The revert data that a node returned with an eth_call error, or undefined where the call did not revert. */
function revertData(error: unknown): Hex | undefined {
  if (!(error instanceof BaseError)) return undefined;
  const raw = error.walk((cause) => cause instanceof RawContractError || hasData(cause));
  if (raw === null) return undefined;
  const { data } = raw as { data?: Hex | { data?: Hex } };
  if (typeof data === "string") return data;
  return typeof data === "object" ? (data.data ?? "0x") : "0x";
}

function hasData(error: unknown): boolean {
  if (typeof error !== "object" || error === null || !("data" in error)) return false;
  const { data } = error;
  return typeof data === "string" || (typeof data === "object" && data !== null);
}
