import { expect } from "chai";
import type { ChannelEvent, ChannelRow, Journal } from "../../../../src/journal/index.ts";
import { configOf, idOf, payee, recordOf } from "../../../helpers/channelRecords.ts";
import type { Subject } from "../contract.ts";
import { acceptAll, chainId, hashOf, move, paymentOf } from "../fixtures.ts";

const DAY_MS = 86_400_000;

export function describeLedger({ journal, another }: Subject): void {
  const rowOf = async (seed: number) => (await journal().channels([idOf(seed)])).get(idOf(seed));
  const contentOf = (seed: number, charged: bigint, claimed = 0n) => ({
    channelId: idOf(seed),
    chainId,
    record: recordOf(seed, charged),
    claimed,
    withdrawal: undefined,
    fault: undefined,
    isDeleted: false,
  });
  const change = (before: ChannelRow | undefined, after: ReturnType<typeof contentOf> | undefined, nowMs: number) =>
    journal().changeChannels([{ before, after }], nowMs);
  const daysOf = async (from: Journal = journal()) =>
    (await from.channelDays({ chainId, afterId: 0, limit: 100 })).map(({ channelId, day, amount }) => {
      return [channelId, day, amount];
    });

  describe("channelDays", () => {
    it("has what was charged on each day that is over, and keeps it when the channel goes", async () => {
      await change(undefined, contentOf(1, 0n), 10 * DAY_MS);
      await change(await rowOf(1), contentOf(1, 5n), 10 * DAY_MS + 1);
      await change(await rowOf(1), contentOf(1, 12n), 11 * DAY_MS - 1);
      expect(await daysOf()).to.deep.equal([]);
      expect((await rowOf(1))?.earning).to.deep.equal({ day: 10, base: 0n });

      // A claim is not a charge: the day stays open until the next one.
      await change(await rowOf(1), contentOf(1, 12n, 12n), 11 * DAY_MS);
      expect(await daysOf()).to.deep.equal([]);
      await change(await rowOf(1), contentOf(1, 20n, 12n), 13 * DAY_MS);
      expect(await daysOf()).to.deep.equal([[idOf(1), 10, 12n]]);
      expect((await rowOf(1))?.earning).to.deep.equal({ day: 13, base: 12n });

      await change(await rowOf(1), undefined, 14 * DAY_MS);
      expect(await daysOf(await another())).to.deep.equal([
        [idOf(1), 10, 12n],
        [idOf(1), 13, 8n],
      ]);
      const { payer, token } = configOf(1);
      expect(await journal().channelParties([idOf(1), idOf(2)])).to.deep.equal(
        new Map([[idOf(1), { payer, receiver: payee, token }]]),
      );
    });

    it("has nothing for a change that did not take place, nor for a channel that was never charged", async () => {
      await change(undefined, contentOf(1, 0n), DAY_MS);
      await change(await rowOf(1), contentOf(1, 5n), DAY_MS);
      const stale = await rowOf(1);
      await change(stale, contentOf(1, 6n), DAY_MS);
      expect(await change(stale, contentOf(1, 7n), 2 * DAY_MS)).to.deep.equal(new Set());
      expect(await change(stale, undefined, 2 * DAY_MS)).to.deep.equal(new Set());
      await change(undefined, contentOf(2, 0n), DAY_MS);
      await change(await rowOf(2), undefined, 2 * DAY_MS);
      expect(await daysOf()).to.deep.equal([]);
    });

    it("leaves out what had been claimed before the channel was known here", async () => {
      const record = { ...recordOf(1, 50n), totalClaimed: "30" };
      await change(undefined, { ...contentOf(1, 50n), record }, DAY_MS);
      await change(await rowOf(1), undefined, DAY_MS);
      expect(await daysOf()).to.deep.equal([[idOf(1), 1, 20n]]);
    });
  });

  describe("noteChannelEvents", () => {
    const eventOf = (seed: number, blockNumber: bigint, rest: Partial<ChannelEvent> = {}): ChannelEvent => ({
      chainId,
      kind: "claim",
      channelId: idOf(1),
      payer: configOf(1).payer,
      receiver: payee,
      token: configOf(1).token,
      amount: 2n ** 100n,
      transactionHash: hashOf(`tx ${seed}`),
      logIndex: seed,
      blockNumber,
      timestampSeconds: 1_900_000_000,
      ...rest,
    });
    const eventsOf = async () =>
      (await journal().channelEvents({ chainId, afterId: 0, limit: 100 })).map(({ id: _, ...event }) => event);
    const range = (from: bigint, to: bigint, logs: readonly ChannelEvent[]) => ({ chainId, from, to, logs });

    it("notes each log once, under the block that it is in now", async () => {
      const sweep = eventOf(2, 7n, { kind: "sweep", channelId: undefined, payer: undefined });
      await journal().noteChannelEvents([eventOf(1, 5n), sweep]);
      await journal().noteChannelEvents([eventOf(1, 6n)]);
      expect(await eventsOf()).to.deep.equal([eventOf(1, 6n), sweep]);
      expect(await journal().channelEventsIn(chainId, [hashOf("tx 2"), hashOf("tx 9")])).to.deep.equal([sweep]);
      expect(await journal().channelEventsIn(8453, [hashOf("tx 2")])).to.deep.equal([]);
    });

    it("forgets those of a range that the chain no longer has, and no others", async () => {
      await journal().noteChannelEvents([1, 2, 3, 4].map((seed) => eventOf(seed, BigInt(seed))));
      // The third is there, but no longer of interest; the fourth is outside.
      await journal().noteChannelEvents([eventOf(5, 3n)], range(2n, 3n, [eventOf(3, 3n), eventOf(5, 3n)]));
      expect((await eventsOf()).map(({ logIndex }) => logIndex)).to.deep.equal([1, 3, 4, 5]);
      await journal().noteChannelEvents([], range(0n, 9n, [eventOf(1, 1n)]));
      expect(await eventsOf()).to.deep.equal([eventOf(1, 1n)]);
    });
  });

  describe("enteredAt", () => {
    it("says when a payment entered its state, not when more was known about it", async () => {
      const [one, two] = await acceptAll(journal(), [paymentOf(1), paymentOf(2)], 10);
      await move(journal(), [one!], "settled", 50);
      await move(journal(), [one!], "settled", 90);
      expect(await journal().enteredAt([one!.id, two!.id, 99])).to.deep.equal(
        new Map([
          [one!.id, 50],
          [two!.id, 10],
        ]),
      );
      await move(journal(), [one!], "submitted", 100);
      await move(journal(), [one!], "settled", 110);
      expect(await journal().enteredAt([one!.id])).to.deep.equal(new Map([[one!.id, 110]]));
      expect(await journal().enteredAt([])).to.deep.equal(new Map());
    });
  });
}
