import { expect } from "chai";
import type { Subject } from "../contract.ts";
import { addressOf, chainId } from "../fixtures.ts";

export function describeNotes({ journal, another }: Subject): void {
  describe("strike", () => {
    it("counts, and keeps the latest end, by chain and payer", async () => {
      const payer = addressOf(1);
      expect(await journal().strikes(chainId, [payer])).to.deep.equal(new Map());
      await journal().strike(chainId, payer, 500);
      await journal().strike(chainId, payer, 300);
      await journal().strike(1, payer, 900);
      const lower = `0x${payer.slice(2).toLowerCase()}` as const;
      const strikes = await (await another()).strikes(chainId, [payer, lower, addressOf(2)]);
      const entry = { strikes: 2, untilMs: 500 };
      expect(strikes).to.deep.equal(
        new Map([
          [payer, entry],
          [lower, entry],
        ]),
      );
      expect(await journal().strikes(chainId, [])).to.deep.equal(new Map());
    });

    it("counts every one of many at once", async () => {
      await Promise.all(Array.from({ length: 20 }, (_, index) => journal().strike(chainId, addressOf(1), index)));
      expect([...(await journal().strikes(chainId, [addressOf(1)])).values()]).to.deep.equal([
        { strikes: 20, untilMs: 19 },
      ]);
    });
  });

  describe("setCursor", () => {
    it("keeps the last value by name", async () => {
      expect(await journal().cursor("block")).to.equal(undefined);
      await journal().setCursor("block", "1");
      await journal().setCursor("block", "2");
      await journal().setCursor("other", "");
      expect(await (await another()).cursor("block")).to.equal("2");
      expect(await journal().cursor("other")).to.equal("");
    });
  });

  describe("setOnce", () => {
    it("keeps the first value by name, also if several come at once", async () => {
      const other = await another();
      const values = Array.from({ length: 10 }, (_, index) => `${index}`);
      const kept = await Promise.all(
        values.map((value, index) => (index % 2 === 0 ? journal() : other).setOnce("key", value)),
      );
      expect(new Set(kept).size).to.equal(1);
      expect(await journal().cursor("key")).to.equal(kept[0]);
    });
  });

  describe("unset", () => {
    it("removes a value that is still the same", async () => {
      await journal().setOnce("key", "mine");
      await journal().unset("key", "other");
      await journal().unset("none", "mine");
      expect(await journal().cursor("key")).to.equal("mine");
      await journal().unset("key", "mine");
      expect(await journal().setOnce("key", "other")).to.equal("other");
    });
  });

  describe("addWithin", () => {
    it("counts every addition of many at once, from 0, up to the bound and not beyond", async () => {
      const other = await another();
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 === 0 ? journal() : other).addWithin([{ name: "sum", amount: 2, most: 30 }]),
        ),
      );
      expect(answers.filter((full) => full === undefined)).to.have.length(15);
      expect(await journal().cursor("sum")).to.equal("30");
      expect(await journal().addWithin([{ name: "sum", amount: -30, most: 30 }])).to.equal(undefined);
      expect(await journal().cursor("sum")).to.equal("0");
    });

    it("adds to all or to none, says which is full, and leaves no trace of what is refused", async () => {
      await journal().addWithin([{ name: "b", amount: 5, most: 5 }]);
      const both = [
        { name: "c", amount: 1, most: 9 },
        { name: "b", amount: 1, most: 5 },
      ];
      expect(await journal().addWithin(both)).to.equal(1);
      expect(await journal().cursor("c")).to.equal(undefined);
      expect(await journal().addWithin([])).to.equal(undefined);
    });
  });

  describe("forgetNotes", () => {
    it("removes the names with a prefix that sort before a given one, and nothing else", async () => {
      for (const name of ["day:2026-01-01:a", "day:2026-01-02:a", "day:2026-01-03:a", "dax:2026-01-01:a", "day"]) {
        await journal().setCursor(name, "1");
      }
      await journal().forgetNotes("day:", "day:2026-01-02:");
      expect(await journal().cursor("day:2026-01-01:a")).to.equal(undefined);
      for (const name of ["day:2026-01-02:a", "day:2026-01-03:a", "dax:2026-01-01:a", "day"]) {
        expect(await journal().cursor(name)).to.equal("1");
      }
    });
  });

  describe("keepResource", () => {
    it("keeps the last version of each resource, and only so many", async () => {
      for (const [key, updatedAtMs] of [
        ["a", 1],
        ["b", 2],
        ["a", 3],
        ["c", 4],
      ] as const) {
        await journal().keepResource({ key, value: `${key}${updatedAtMs}`, updatedAtMs }, 2);
      }
      expect(await (await another()).resources()).to.deep.equal([
        { key: "c", value: "c4", updatedAtMs: 4 },
        { key: "a", value: "a3", updatedAtMs: 3 },
      ]);
    });

    it("makes room among keys with the same prefix, and returns those with given keys", async () => {
      for (const [index, key] of ["1:a", "0:a", "0:b", "0_c", "0:d"].entries()) {
        await journal().keepResource({ key, value: key, updatedAtMs: index }, 2, "0:");
      }
      const keys = async (asked?: string[]) => (await journal().resources(asked)).map(({ key }) => key);
      expect(await keys()).to.deep.equal(["0:d", "0_c", "0:b", "1:a"]);
      expect(await keys(["1:a", "0:d", "none"])).to.deep.equal(["0:d", "1:a"]);
      expect(await keys([])).to.deep.equal([]);
    });
  });
}
