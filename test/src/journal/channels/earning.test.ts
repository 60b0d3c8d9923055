import { expect } from "chai";
import { dayOf, earnedBy, earningOf } from "../../../../src/journal/channels/earning.ts";
import type { ChannelRow } from "../../../../src/journal/index.ts";
import { recordOf } from "../../../helpers/channelRecords.ts";

const DAY_MS = 86_400_000;

/** A row of channel 1. */
function rowOf(charged: bigint, change: Pick<ChannelRow, "earning">): ChannelRow {
  const record = recordOf(1, charged);
  const common = { channelId: record.channelId as `0x${string}`, chainId: 84532, record, version: 1 };
  const nothing = { withdrawal: undefined, fault: undefined, isDeleted: false };
  return { ...common, ...nothing, claimed: 0n, unclaimedSinceMs: 3 * DAY_MS, ...change };
}

describe("a channel's earnings by day", () => {
  it("begins a day at midnight UTC", () => {
    expect([0, DAY_MS - 1, DAY_MS].map(dayOf)).to.deep.equal([0, 0, 1]);
  });

  it("keeps a day open if the clock seems to go back", () => {
    const before = rowOf(5n, { earning: { day: 8, base: 2n } });
    const { earning, closed } = earnedBy(before, recordOf(1, 9n), 7 * DAY_MS);
    expect([earning, closed]).to.deep.equal([{ day: 8, base: 2n }, undefined]);
  });

  it("counts only what is charged from then on, if a channel was claimed before the journal knew it", () => {
    const after = { ...recordOf(1, 9n), totalClaimed: "4" };
    const { earning, closed } = earnedBy(undefined, after, 3 * DAY_MS);
    expect([earning, closed]).to.deep.equal([{ day: 3, base: 4n }, undefined]);
    expect(earningOf({ record: after, earning })).to.deep.equal({ day: 3, amount: 5n });
    expect(earningOf({ record: recordOf(1, 4n), earning })).to.equal(undefined);
  });

  it("books a charge that is taken back on the day of that", () => {
    const before = rowOf(9n, { earning: { day: 1, base: 0n } });
    const { earning, closed } = earnedBy(before, recordOf(1, 7n), 2 * DAY_MS);
    expect([earning, closed]).to.deep.equal([
      { day: 2, base: 9n },
      { day: 1, amount: 9n },
    ]);
    expect(earningOf(rowOf(7n, { earning }))).to.deep.equal({ day: 2, amount: -2n });
  });
});
