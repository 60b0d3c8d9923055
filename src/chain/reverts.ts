import { BaseError, ExecutionRevertedError, RawContractError } from "viem";

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
