import { type Address, isAddressEqual, type LocalAccount } from "viem";
import type { ChannelConfig } from "../../channels/index.ts";

/** A receiver authorizer's key: it signs claims and refunds, and sends nothing. */
export type AuthorizerKey = Pick<LocalAccount, "address" | "signTypedData">;

/** The right by which a channel is claimed. */
export type Authority =
  /** Its receiver authorizer signs, and anyone sends. */
  | { readonly kind: "signature"; readonly key: AuthorizerKey }
  /** The keeper's only sending key is the receiver or the receiver authorizer itself. */
  | { readonly kind: "sender"; readonly address: Address };

/** The right by which a keeper with these authorizers claims a channel; undefined if it has none. */
export function authorityOf(
  { receiver, receiverAuthorizer }: Pick<ChannelConfig, "receiver" | "receiverAuthorizer">,
  authorizers: readonly AuthorizerKey[],
  senders: readonly Address[],
): Authority | undefined {
  const key = authorizers.find(({ address }) => isAddressEqual(address, receiverAuthorizer));
  if (key !== undefined) return { kind: "signature", key };
  const [address] = senders;
  // If there are several senders, the engine may use any of them.
  if (address === undefined || senders.length > 1) return undefined;
  const isOwn = isAddressEqual(address, receiver) || isAddressEqual(address, receiverAuthorizer);
  return isOwn ? { kind: "sender", address } : undefined;
}

/** A name for channels that can be claimed together: it is the same for all of them. */
export function authorityName(authority: Authority): string {
  return authority.kind === "signature" ? authority.key.address : `sender ${authority.address}`;
}
