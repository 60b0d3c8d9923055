import type { Address, Hex } from "viem";
import type { PaymentRow } from "../../../journal/ports/payments.ts";

/** A settlement that the token's logs prove, or that a row reports. */
export type Settlement = {
  readonly from: Address;
  readonly to: Address;
  readonly value: bigint;
  readonly nonce: Hex;
  readonly blockNumber: bigint;
  readonly transactionHash: Hex;
};

/** The settlement that a row reports in a token, by this journal or by somebody else; undefined if there was none. */
export function settlementOf({ work, evidence, state }: PaymentRow, token: Address): Settlement | undefined {
  if (work.kind !== "authorization" || work.authorization.token.toLowerCase() !== token.toLowerCase()) return undefined;
  const { from, to, value, nonce } = work.authorization;
  const settled = state === "settled" && evidence.kind === "transfer";
  const elsewhere = evidence.kind === "nonce-use" && evidence.use === "settled";
  if (!settled && !elsewhere) return undefined;
  const { blockNumber, transactionHash } = evidence;
  return transactionHash === undefined ? undefined : { from, to, value, nonce, blockNumber, transactionHash };
}
