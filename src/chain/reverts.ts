import { BaseError, ExecutionRevertedError, type Hex, isHex, RawContractError } from "viem";

/** Whether a node says that an eth_call reverted. Nodes without the standard's code 3 still send revert data. */
export function isRevert(error: unknown): boolean {
  if (!(error instanceof BaseError)) return false;
  return error.walk((cause) => cause instanceof ExecutionRevertedError || isRawRevert(cause)) !== null;
}

function isRawRevert(error: unknown): boolean {
  if (error instanceof RawContractError) return true;
  if (typeof error !== "object" || error === null || !("data" in error)) return false;
  const { data } = error;
  return typeof data === "string" && /^0x([0-9a-f]{2})*$/i.test(data);
}

/** What an eth_call reverted with: empty if the node does not say, undefined if the error is no revert. */
export function revertDataOf(error: unknown): Hex | undefined {
  if (!(error instanceof BaseError) || !isRevert(error)) return undefined;
  let found: Hex = "0x";
  error.walk((cause) => {
    if (typeof cause !== "object" || cause === null || !("data" in cause)) return false;
    const { data } = cause;
    const raw: unknown = typeof data === "object" && data !== null && "data" in data ? data.data : data;
    if (isHex(raw) && raw.length > found.length) found = raw;
    return false;
  });
  return found;
}
