import { decodeErrorResult, type Hex } from "viem";
import { decodeRefusal } from "../router/reason.ts";
import { batchSettlementAbi } from "./abi.ts";

/** Why a call of the contract reverted, in the contract's words (`ClaimExceedsBalance`) or in the token's. */
export function nameChannelRevert(data: Hex): string {
  try {
    return decodeErrorResult({ abi: batchSettlementAbi, data }).errorName;
  } catch {
    return decodeRefusal(data).message;
  }
}
