import { iBatchSettlementArtifact } from "../contracts/IBatchSettlement.ts";

/** ABI of x402BatchSettlement: functions, events and errors. The official packages export none of it. */
export const batchSettlementAbi = iBatchSettlementArtifact.abi;
