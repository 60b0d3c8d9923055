import type { Address } from "viem";
import type { ChannelRow, Journal } from "../journal/index.ts";
import { everyChannel } from "../journal/pages.ts";
import type { Authority } from "./calls/authority.ts";
import { unclaimedOf } from "./channels/rows.ts";
import type { KeeperStatus } from "./types.ts";

type Authorizers = Map<Address, { signs: "key" | "sender" | "missing"; channels: number; unclaimed: bigint }>;

/**
 * What is unclaimed, by receiver authorizer; what each receiver has unswept; and how many channels are under
 * withdrawal.
 */
export async function readChannelStatus(
  journal: Journal,
  chainId: number,
  authorityFor: (row: ChannelRow) => Authority | undefined,
): Promise<Pick<KeeperStatus, "authorizers" | "withdrawals" | "receivers">> {
  const authorizers: Authorizers = new Map();
  let withdrawals = 0;
  for await (const page of everyChannel(journal, chainId, "withdrawing")) withdrawals += page.length;
  for await (const page of everyChannel(journal, chainId, "unclaimed")) {
    for (const row of page) {
      const address = row.record.channelConfig.receiverAuthorizer as Address;
      const authority = authorityFor(row);
      const signs = authority === undefined ? "missing" : authority.kind === "sender" ? "sender" : "key";
      const entry = authorizers.get(address) ?? { signs, channels: 0, unclaimed: 0n };
      entry.channels += 1;
      entry.unclaimed += unclaimedOf(row);
      authorizers.set(address, entry);
    }
  }
  return {
    authorizers: [...authorizers].map(([authorizer, rest]) => ({ authorizer, ...rest })),
    receivers: await journal.channelReceivers(chainId),
    withdrawals,
  };
}
