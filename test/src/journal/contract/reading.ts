import { expect } from "chai";
import { until } from "../../../helpers/until.ts";
import type { Subject } from "../contract.ts";
import { acceptAll, acceptSeeds, chainId, move, paymentOf } from "../fixtures.ts";

export function describeReading({ journal, another }: Subject): void {
  describe("payment", () => {
    it("answers undefined for an id that was never given out", async () => {
      expect(await journal().payment(77)).to.equal(undefined);
    });
  });

  describe("variants", () => {
    it("lists the variants of an identity, oldest first", async () => {
      const rows = await acceptAll(journal(), [
        paymentOf(1, { variant: 1 }),
        paymentOf(2),
        paymentOf(1),
        paymentOf(1, { variant: 2 }),
      ]);
      expect(await journal().variants(paymentOf(1).identity)).to.deep.equal([rows[0], rows[2], rows[3]]);
      expect(await journal().variants("nobody's")).to.deep.equal([]);
    });
  });

  describe("list", () => {
    it("pages by ascending id", async () => {
      const rows = await acceptSeeds(journal(), 1, 2, 3, 4, 5);
      const first = await journal().list({ limit: 2 });
      const rest = await journal().list({ limit: 9, afterId: first[1]?.id ?? 0 });
      expect([...first, ...rest]).to.deep.equal(rows);
      expect(first).to.have.length(2);
    });

    it("filters by chain and by states", async () => {
      const rows = await acceptAll(journal(), [
        paymentOf(1),
        paymentOf(2, { chainId: 8453 }),
        paymentOf(3),
        paymentOf(4),
      ]);
      await move(journal(), rows.slice(3), "expired");
      const ids = async (query: Parameters<ReturnType<typeof journal>["list"]>[0]) =>
        (await journal().list(query)).map(({ id }) => rows.findIndex((row) => row.id === id));
      expect(await ids({ limit: 9, chainId })).to.deep.equal([0, 2, 3]);
      expect(await ids({ limit: 9, chainId: 8453 })).to.deep.equal([1]);
      expect(await ids({ limit: 9, states: ["expired"] })).to.deep.equal([3]);
      expect(await ids({ limit: 9, states: ["expired", "queued"], chainId })).to.deep.equal([0, 2, 3]);
      expect(await ids({ limit: 9, states: [] })).to.deep.equal([]);
    });
  });

  describe("count", () => {
    it("counts by state, of all chains or of one", async () => {
      expect(await journal().count()).to.deep.equal({});
      const rows = await acceptAll(journal(), [paymentOf(1), paymentOf(2, { chainId: 8453 }), paymentOf(3)]);
      await move(journal(), rows.slice(2), "cancelled");
      expect(await journal().count()).to.deep.equal({ queued: 2, cancelled: 1 });
      expect(await journal().count(chainId)).to.deep.equal({ queued: 1, cancelled: 1 });
      expect(await journal().count(1)).to.deep.equal({});
    });
  });

  describe("withIds", () => {
    it("gives the rows with these ids by ascending id, and none for an id that was never given out", async () => {
      const rows = await acceptSeeds(journal(), 1, 2, 3);
      const [first, , last] = rows.map(({ id }) => id);
      expect(await journal().withIds([last!, 9_999, first!, last!])).to.deep.equal([rows[0], rows[2]]);
      expect(await journal().withIds([])).to.deep.equal([]);
    });
  });

  describe("changed", () => {
    it("gives the rows that changed after a time, among those asked for", async () => {
      const rows = await acceptSeeds(journal(), 1, 2, 3);
      const ids = rows.map(({ id }) => id);
      await move(journal(), rows.slice(0, 2), "expired", 30);
      expect((await journal().changed(ids, 0)).map(({ id }) => id)).to.deep.equal(ids);
      expect((await journal().changed(ids, 29)).map(({ id }) => id)).to.deep.equal(ids.slice(0, 2));
      expect((await journal().changed(ids.slice(1), 29)).map(({ id }) => id)).to.deep.equal([ids[1]]);
      expect(await journal().changed(ids, 30)).to.deep.equal([]);
      expect(await journal().changed([], 0)).to.deep.equal([]);
    });

    it("misses no change of the same millisecond", async () => {
      const rows = await acceptSeeds(journal(), 1);
      const [first] = await move(journal(), rows, "submitted", 30);
      const [second] = await move(journal(), rows, "settled", 30);
      expect([first?.updatedAtMs, second?.updatedAtMs]).to.deep.equal([30, 31]);
      expect(await journal().changed([rows[0]?.id ?? 0], 30)).to.deep.equal([second]);
    });
  });

  describe("onChange", () => {
    it("tells at once what a transaction of this instance changed, until it is told to stop", async () => {
      const heard: number[] = [];
      const stop = journal().onChange((ids) => heard.push(...ids));
      await until(async () => {
        await journal().setCursor("warm", "up");
        const [row] = await acceptSeeds(journal(), Math.floor(performance.now() * 1000));
        return row !== undefined && (await heardSoon(heard, row.id));
      });
      const rows = await acceptSeeds(journal(), 1, 2);
      await until(async () => rows.every(({ id }) => heard.includes(id)));
      stop();
      const [silent] = await acceptSeeds(journal(), 3);
      await (await another()).payment(1);
      expect(heard).not.to.include(silent?.id);
    });
  });
}

async function heardSoon(heard: readonly number[], id: number): Promise<boolean> {
  for (let left = 10; left > 0 && !heard.includes(id); left -= 1)
    await new Promise((resolve) => setTimeout(resolve, 10));
  return heard.includes(id);
}
