import type { Hex } from "viem";
import type { ChannelJournal, ChannelRow } from "./ports/channels.ts";

/** The rows of a page. Few enough that reading one holds up nobody for long. */
const PAGE = 1_000;

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

/** Everything behind `startId` that `read` returns, a page at a time, by ascending id. */
export async function* everyRow<Row extends { readonly id: number }>(
  read: (query: { readonly afterId: number; readonly limit: number }) => Promise<readonly Row[]>,
  startId = 0,
): AsyncGenerator<readonly Row[]> {
  for (let afterId = startId; ; ) {
    const page = await read({ afterId, limit: PAGE });
    if (page.length > 0) yield page;
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return;
    afterId = last.id;
  }
}
