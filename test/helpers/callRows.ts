import { type Address, type Hex, keccak256, numberToHex } from "viem";
import type { CallRow } from "../../src/journal/ports/payments.ts";
import type { LogProof } from "../../src/journal/ports/work.ts";

/** The contract that the rows call. */
export const CONTRACT: Address = "0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003";

let ids = 0;
/** The journal's row of a queued call. */
export function callRow(call: { data?: Hex; gas?: bigint; proof?: LogProof } = {}): CallRow {
  ids += 1;
  const { data = "0x", gas = 100_000n, proof = { address: CONTRACT, topics: [] } } = call;
  return {
    id: ids,
    identity: `call:84532:${ids}`,
    digest: keccak256(numberToHex(ids)),
    work: { kind: "call", chainId: 84532, to: CONTRACT, data, gas, proof },
    deadlineSeconds: 2_000_000_000n,
    acceptedBlock: 1n,
    source: undefined,
    chainId: 84532,
    state: "queued",
    reason: undefined,
    reasonCount: undefined,
    evidence: { kind: "accepted", block: 1n },
    batchId: undefined,
    acceptedAtMs: 0,
    updatedAtMs: 0,
    tries: 0,
    nextTryAtMs: 0,
    consumedAtMs: undefined,
  };
}
