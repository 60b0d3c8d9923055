import type { Clock } from "../../clock.ts";
import type { ChannelRow } from "../../journal/index.ts";
import type { ChannelJournal } from "../../journal/ports/channels.ts";
import { changeRows, chargedOf, unclaimedOf } from "../channels/rows.ts";
import type { CallResult } from "./calls.ts";
import type { BadVoucher } from "./compose.ts";

type FaultPort = { readonly journal: ChannelJournal; readonly clock: Clock };

/**
 * Notes why these vouchers cannot be claimed.
 * @param gas What each of them took in a transaction that failed.
 */
export async function noteFaults(
  { journal, clock }: FaultPort,
  rows: readonly ChannelRow[],
  bad: readonly BadVoucher[],
  gas: bigint,
): Promise<void> {
  const reasons = new Map(bad.map(({ channelId, reason }) => [channelId, reason]));
  const charged = new Map(rows.map((row) => [row.channelId, chargedOf(row)]));
  const atMs = clock.now();
  await changeRows(journal, [...reasons.keys()], atMs, (row) => {
    const reason = reasons.get(row.channelId);
    if (reason === undefined || unclaimedOf(row) === 0n) return row;
    const spent = (row.fault?.gas ?? 0n) + gas;
    return { ...row, fault: { reason, charged: charged.get(row.channelId) ?? 0n, atMs, gas: spent } };
  });
}

/** Makes the channels of a failed call wait a while: what made it fail may last. */
export async function noteFailure(port: FaultPort, { call, row }: CallResult): Promise<void> {
  if (row === undefined || row.state === "settled") return;
  const reason = "its claim failed";
  const wanted = new Map(call.claims.map(({ channelId, totalClaimed }) => [channelId, totalClaimed]));
  // A channel that somebody else claimed has not failed. What was charged since then may be claimed at once.
  const rows = [...(await port.journal.channels([...wanted.keys()])).values()].filter(({ channelId, claimed }) => {
    return claimed < (wanted.get(channelId) ?? 0n);
  });
  const gasUsed = row.evidence.kind === "receipt" ? row.evidence.gasUsed : 0n;
  await noteFaults(
    port,
    rows,
    rows.map(({ channelId }) => ({ channelId, reason })),
    gasUsed / BigInt(Math.max(1, call.claims.length)),
  ).catch(() => undefined);
}
