import type { Hex } from "viem";
import type { ChannelJournal, ChannelRow } from "../../../journal/ports/channels.ts";

/** The sum of all charges of a channel, in atomic units. */
export function chargedOf({ record }: Pick<ChannelRow, "record">): bigint {
  return BigInt(record.chargedCumulativeAmount);
}

/** What is charged and not known to be claimed, in atomic units. */
export function unclaimedOf(row: Pick<ChannelRow, "record" | "claimed">): bigint {
  const unclaimed = chargedOf(row) - row.claimed;
  return unclaimed > 0n ? unclaimed : 0n;
}

/** All channels of a chain, a page at a time. */
export async function* everyChannel(
  journal: ChannelJournal,
  chainId: number,
  only?: "unclaimed" | "withdrawing",
): AsyncGenerator<readonly ChannelRow[]> {
  for (let afterId: Hex | undefined; ; ) {
    const page = await journal.listChannels({
      chainId,
      limit: PAGE,
      ...(only === undefined ? {} : { only }),
      ...(afterId === undefined ? {} : { afterId }),
    });
    if (page.length > 0) yield page;
    afterId = page.at(-1)?.channelId;
    if (page.length < PAGE) return;
  }
}

/** Everything that `read` returns, a page at a time, by ascending id. */
export async function* everyRow<Row extends { readonly id: number }>(
  read: (query: { readonly afterId: number; readonly limit: number }) => Promise<readonly Row[]>,
): AsyncGenerator<readonly Row[]> {
  for (let afterId = 0; ; ) {
    const page = await read({ afterId, limit: PAGE });
    if (page.length > 0) yield page;
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return;
    afterId = last.id;
  }
}

const PAGE = 500;
