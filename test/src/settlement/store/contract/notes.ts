import { expect } from "chai";
import type { Subject } from "../contract.ts";
import { addressOf, chainId } from "../fixtures.ts";

export function describeNotes({ store, another }: Subject): void {
  describe("strike", () => {
    it("counts, and keeps the latest end, by chain and payer", async () => {
      const payer = addressOf(1);
      expect(await store().strikes(chainId, [payer])).to.deep.equal(new Map());
      await store().strike(chainId, payer, 500);
      await store().strike(chainId, payer, 300);
      await store().strike(1, payer, 900);
      const lower = `0x${payer.slice(2).toLowerCase()}` as const;
      const strikes = await (await another()).strikes(chainId, [payer, lower, addressOf(2)]);
      const entry = { strikes: 2, untilMs: 500 };
      expect(strikes).to.deep.equal(
        new Map([
          [payer, entry],
          [lower, entry],
        ]),
      );
      expect(await store().strikes(chainId, [])).to.deep.equal(new Map());
    });

    it("counts every one of many at once", async () => {
      await Promise.all(Array.from({ length: 20 }, (_, index) => store().strike(chainId, addressOf(1), index)));
      expect([...(await store().strikes(chainId, [addressOf(1)])).values()]).to.deep.equal([
        { strikes: 20, untilMs: 19 },
      ]);
    });
  });

  describe("setCursor", () => {
    it("keeps the last value by name", async () => {
      expect(await store().cursor("block")).to.equal(undefined);
      await store().setCursor("block", "1");
      await store().setCursor("block", "2");
      await store().setCursor("other", "");
      expect(await (await another()).cursor("block")).to.equal("2");
      expect(await store().cursor("other")).to.equal("");
    });
  });

  describe("setOnce", () => {
    it("keeps the first value by name, whoever comes at once", async () => {
      const other = await another();
      const values = Array.from({ length: 10 }, (_, index) => `${index}`);
      const kept = await Promise.all(
        values.map((value, index) => (index % 2 === 0 ? store() : other).setOnce("key", value)),
      );
      expect(new Set(kept).size).to.equal(1);
      expect(await store().cursor("key")).to.equal(kept[0]);
    });
  });

  describe("unset", () => {
    it("removes a value that is still the same", async () => {
      await store().setOnce("key", "mine");
      await store().unset("key", "other");
      await store().unset("none", "mine");
      expect(await store().cursor("key")).to.equal("mine");
      await store().unset("key", "mine");
      expect(await store().setOnce("key", "other")).to.equal("other");
    });
  });

  describe("addTo", () => {
    it("counts every addition of many at once, from 0", async () => {
      const other = await another();
      const sums = await Promise.all(
        Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? store() : other).addTo("sum", 2)),
      );
      expect(sums.sort((a, b) => a - b)).to.deep.equal(Array.from({ length: 20 }, (_, index) => 2 * (index + 1)));
      expect(await store().addTo("sum", -40)).to.equal(0);
    });
  });

  describe("keepResource", () => {
    it("keeps each resource as it was kept last, and only so many", async () => {
      for (const [key, updatedAtMs] of [
        ["a", 1],
        ["b", 2],
        ["a", 3],
        ["c", 4],
      ] as const) {
        await store().keepResource({ key, value: `${key}${updatedAtMs}`, updatedAtMs }, 2);
      }
      expect(await (await another()).resources()).to.deep.equal([
        { key: "c", value: "c4", updatedAtMs: 4 },
        { key: "a", value: "a3", updatedAtMs: 3 },
      ]);
    });
  });
}
