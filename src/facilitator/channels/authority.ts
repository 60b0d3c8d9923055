import { type Address, isAddressEqual, type LocalAccount } from "viem";
import type { BadRow } from "../../chain/sending/claims.ts";
import { type ChannelConfig, channelIdOf, type VoucherClaim } from "../../channels/index.ts";
import type { ChannelJournal } from "../../journal/index.ts";
import type { Caller } from "../callers/caller.ts";
import { CHANNEL_REASON } from "./reasons.ts";

/** The facilitator's own key as the receiver authorizer of channels, and the receivers that it signs for. */
export type AuthorityPort = {
  /**
   * The key that signs claims and refunds for merchants that leave this to the facilitator; undefined if it signs for nobody. It
   * signs for a receiver's own merchant only: a voucher may allow more than was charged, and others may know it.
   */
  readonly authority?: LocalAccount | undefined;
  /** The receivers of all merchants; undefined if they are not known. */
  readonly receivers?: readonly Address[] | undefined;
};

type Refusal = { readonly reason: string; readonly message: string };

/** The key, if it signs for this caller about these channels; else why not. */
export function authorityFor(
  { authority }: AuthorityPort,
  channels: readonly ChannelConfig[],
  { merchant }: Caller,
): LocalAccount | Refusal {
  if (authority === undefined) {
    return { reason: CHANNEL_REASON.authorizerMissing, message: "sign it: this facilitator has no key for that" };
  }
  if (!channels.every(({ receiverAuthorizer }) => isAddressEqual(receiverAuthorizer, authority.address))) {
    const message = `only channels with the receiver authorizer ${authority.address} are signed for here`;
    return { reason: CHANNEL_REASON.authorizerMismatch, message };
  }
  const own = merchant?.receivers ?? [];
  if (!channels.every(({ receiver }) => own.some((one) => isAddressEqual(one, receiver)))) {
    const message = "a receiver's channels are signed for its own merchant only (Authorization: Bearer, receivers)";
    return { reason: CHANNEL_REASON.authorizerMissing, message };
  }
  return authority;
}

/** Why payments through a channel are not accepted: its claims would never be signed. Undefined if they are accepted. */
export function unsignable({ authority, receivers }: AuthorityPort, channel: ChannelConfig): Refusal | undefined {
  if (authority === undefined || receivers === undefined) return undefined;
  if (!isAddressEqual(channel.receiverAuthorizer, authority.address)) return undefined;
  if (receivers.some((one) => isAddressEqual(one, channel.receiver))) return undefined;
  const message = `${channel.receiver} is not a merchant's receiver here: its claims would not be signed`;
  return { reason: CHANNEL_REASON.authorizerMissing, message };
}

/** The rows that claim more than was charged, for channels that the journal knows. */
export async function findOvercharged(
  journal: Pick<ChannelJournal, "channels">,
  chainId: number,
  rows: readonly VoucherClaim[],
): Promise<readonly BadRow[]> {
  const ids = rows.map(({ voucher }) => channelIdOf(chainId, voucher.channel));
  const known = await journal.channels([...new Set(ids)]);
  return rows.flatMap(({ totalClaimed }, index) => {
    const record = known.get(ids[index]!)?.record;
    const isOver = record !== undefined && totalClaimed > BigInt(record.chargedCumulativeAmount);
    return isOver ? [{ index, reason: "ClaimExceedsCharged" }] : [];
  });
}
