import { decodeErrorResult, type Hex } from "viem";
import { decodeRefusal } from "../router/reason.ts";
import { batchSettlementAbi } from "./abi.ts";

/** What a call of the contract reverted with, in its own words (`ClaimExceedsBalance`) or in those of the token. */
export function nameChannelRevert(data: Hex): string {
  try {
    return decodeErrorResult({ abi: batchSettlementAbi, data }).errorName;
  } catch {
    return decodeRefusal(data).message;
  }
}
