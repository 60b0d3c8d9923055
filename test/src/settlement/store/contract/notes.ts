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
}
