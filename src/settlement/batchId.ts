import { type Hex, keccak256, stringToHex } from "viem";
import { authorizationId } from "../authorization/identity.ts";
import type { Authorization } from "../authorization/types.ts";

/** The label of a batch: a hash of the set of identities in it, so that the same payments have the same label. */
export function batchIdOf(authorizations: readonly Authorization[]): Hex {
  return keccak256(stringToHex(authorizations.map(authorizationId).sort().join("\n")));
}
