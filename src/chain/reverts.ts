import { BaseError, ExecutionRevertedError, RawContractError } from "viem";

/** Whether a node says that an eth_call reverted. Nodes without the standard's code 3 still send revert data. */
export function isRevert(error: unknown): boolean {
  if (!(error instanceof BaseError)) return false;
  return error.walk((cause) => cause instanceof ExecutionRevertedError || isRawRevert(cause)) !== null;
}

/**
 * Whether a read failed by the contract that was asked and not by the node: it reverts, is none, or answers what cannot be
 * decoded.
 */
export function isContractsFault(error: unknown): boolean {
  return isRevert(error) || (error instanceof BaseError && error.walk(isUnreadable) !== null);
}

function isUnreadable(error: unknown): boolean {
  return (
    error instanceof Error &&
    /^(AbiDecoding|AbiParameter|PositionOutOfBounds|InvalidAddress|ContractFunctionZeroData)/.test(error.name)
  );
}

function isRawRevert(error: unknown): boolean {
  if (error instanceof RawContractError) return true;
  if (typeof error !== "object" || error === null || !("data" in error)) return false;
  const { data } = error;
  return typeof data === "string" && /^0x([0-9a-f]{2})*$/i.test(data);
}
