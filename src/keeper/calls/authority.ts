import { type Address, isAddressEqual, type LocalAccount } from "viem";
import type { ChannelConfig } from "../../channels/index.ts";

/** A receiver authorizer's key: it signs claims and refunds, and sends nothing. */
export type AuthorizerKey = Pick<LocalAccount, "address" | "signTypedData">;

/** By what right a channel is claimed. */
export type Authority =
  /** Its receiver authorizer signs, and anyone sends. */
  | { readonly kind: "signature"; readonly key: AuthorizerKey }
  /** The keeper's only sending key is the receiver or the receiver authorizer itself. */
  | { readonly kind: "sender"; readonly address: Address };

/** By what right a keeper with these keys claims a channel; undefined where it has none. */
export function authorityOf(
  { receiver, receiverAuthorizer }: Pick<ChannelConfig, "receiver" | "receiverAuthorizer">,
  keys: readonly AuthorizerKey[],
  senders: readonly Address[],
): Authority | undefined {
  const key = keys.find(({ address }) => isAddressEqual(address, receiverAuthorizer));
  if (key !== undefined) return { kind: "signature", key };
  const [address] = senders;
  // Of several senders, the engine takes any.
  if (address === undefined || senders.length > 1) return undefined;
  const isOwn = isAddressEqual(address, receiver) || isAddressEqual(address, receiverAuthorizer);
  return isOwn ? { kind: "sender", address } : undefined;
}

/** Tells groups of channels apart that can be claimed together. */
export function authorityName(authority: Authority): string {
  return authority.kind === "signature" ? authority.key.address : `sender ${authority.address}`;
}
