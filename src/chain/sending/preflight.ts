import { type Address, decodeFunctionResult, encodeFunctionData, type Hex, size, slice } from "viem";
import { encodeTransfer } from "../../authorization/encode.ts";
import type { SignedAuthorization } from "../../authorization/types.ts";
import { settlementLensArtifact } from "../../contracts/SettlementLens.ts";
import { settlementRouterArtifact } from "../../contracts/SettlementRouter.ts";
import { decodeRefusal, type Refusal } from "../../router/reason.ts";
import { unavailable } from "../ask.ts";
import type { ChainClient } from "../client.ts";
import { isRevert } from "../reverts.ts";

/** What a batch would do if it were mined now. `failed` holds positions in the batch. */
export type Preflight =
  | { readonly status: "answered"; readonly attempted: number; readonly failed: ReadonlySet<number> }
  /** The whole transaction would revert, or the answer is not a router's: nothing in it can settle like this. */
  | { readonly status: "reverted" };

/** A call as it will be sent. */
export type PreparedCall = { readonly from: Address; readonly to: Address; readonly data: Hex; readonly gas: bigint };

/**
 * Asks the node what a router batch would do, in one eth_call with the gas that it will be sent with.
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function preflightBatch(client: ChainClient, call: PreparedCall): Promise<Preflight> {
  let data: Hex;
  try {
    const answer = await client.call({ account: call.from, to: call.to, data: call.data, gas: call.gas });
    data = answer.data ?? "0x";
  } catch (error) {
    if (isRevert(error)) return { status: "reverted" };
    throw unavailable("the pre-flight of a batch", error);
  }
  try {
    const [attempted, bitmap] = decodeFunctionResult({
      abi: settlementRouterArtifact.abi,
      functionName: "settle",
      data,
    });
    const count = Number(attempted);
    if (count > 0xffff || size(bitmap) !== Math.ceil(count / 8)) return { status: "reverted" };
    return { status: "answered", attempted: count, failed: readBitmap(bitmap, count) };
  } catch {
    // The contract at the router's address is no router.
    return { status: "reverted" };
  }
}

/** Gas besides the attempt: deploying the lens inside the eth_call, calldata, and room for EIP-150. */
const LENS_GAS = 5_000_000n;

/** How many bytes of a reason the router copies. */
const MAX_REASON_BYTES = 256;

/**
 * Asks the token alone why it would refuse an authorization. Undefined if it would settle.
 * @param gasAllowance Gas for the token's call, as the router would give it. If it is used up, the reason is
 * `gas-capped`, whatever the token then says with the 64th that it kept (EIP-150).
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function preflightAuthorization(
  client: ChainClient,
  authorization: SignedAuthorization,
  { gasAllowance, overload }: { readonly gasAllowance: bigint; readonly overload?: "vrs" | "bytes" },
): Promise<Refusal | undefined> {
  const { abi, bytecode } = settlementLensArtifact;
  const transfer = encodeTransfer(authorization, overload);
  const data = encodeFunctionData({
    abi,
    functionName: "attempt",
    args: [authorization.token, gasAllowance, transfer],
  });
  try {
    const answer = await client.call({ code: bytecode, data, gas: 2n * gasAllowance + LENS_GAS });
    const [success, gasUsed, reason] = decodeFunctionResult({
      abi,
      functionName: "attempt",
      data: answer.data ?? "0x",
    });
    if (success) return undefined;
    const refusal = decodeRefusal(size(reason) > MAX_REASON_BYTES ? slice(reason, 0, MAX_REASON_BYTES) : reason);
    if (refusal.reason === "gas-capped" || gasUsed < gasAllowance - gasAllowance / 16n) return refusal;
    return { ...refusal, reason: "gas-capped", message: `used up its gas allowance of ${gasAllowance}` };
  } catch (error) {
    throw unavailable("the pre-flight of an authorization", error);
  }
}

function readBitmap(bitmap: Hex, count: number): Set<number> {
  const failed = new Set<number>();
  for (let i = 0; i < count; i += 1) {
    const byte = Number.parseInt(bitmap.slice(2 + 2 * (i >> 3), 4 + 2 * (i >> 3)), 16);
    if ((byte >> (i & 7)) & 1) failed.add(i);
  }
  return failed;
}
