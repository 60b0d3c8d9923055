import { createHash, timingSafeEqual } from "node:crypto";
import { type Address, isAddressEqual, type LocalAccount } from "viem";

/**
 * A key that signs claims and refunds for resource servers that have none, as their channels' receiver authorizer. Whoever
 * presents a payer's voucher may have it claimed, which pays the receiver what the payer signed. A refund takes from the
 * receiver, so it is signed only for a merchant who proves to be one, by `Authorization: Bearer <apiKey>`.
 */
export type ChannelAuthority = {
  readonly account: LocalAccount;
  readonly merchants: readonly {
    readonly apiKey: string;
    /** The receivers whose channels this merchant may refund. */
    readonly receivers: readonly Address[];
  }[];
};

/** Whether a request with this `Authorization` header may refund channels of a receiver. */
export function mayRefund(
  { merchants }: Pick<ChannelAuthority, "merchants">,
  header: string | undefined,
  receiver: Address,
): boolean {
  const token = /^bearer (\S+)$/i.exec(header ?? "")?.[1];
  if (token === undefined) return false;
  return merchants.some(({ apiKey, receivers }) => {
    return isSame(apiKey, token) && receivers.some((one) => isAddressEqual(one, receiver));
  });
}

/** Compares by hash, so that the time it takes says nothing about either. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
