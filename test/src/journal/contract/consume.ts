import { expect } from "chai";
import type { Evidence } from "../../../../src/journal/index.ts";
import type { Subject } from "../contract.ts";
import { acceptAll, acceptSeeds, hashOf, move, paymentOf } from "../fixtures.ts";

const said = (blockNumber: bigint): Evidence => ({
  kind: "preconfirmation",
  transactionHash: hashOf("tx 1"),
  blockNumber,
  logIndex: 3,
  seenAtMs: 7,
  level: "preconfirmed",
});

export function describeConsume({ journal }: Subject): void {
  describe("consume", () => {
    const preconfirm = (paymentId: number, evidence: Evidence) =>
      journal().transition([{ paymentId, from: ["queued", "submitted"], to: "submitted", evidence }], 50);

    it("gives the success of a preconfirmed payment once, and not again once it has settled", async () => {
      const [row] = await acceptSeeds(journal(), 1);
      const id = row!.id;
      await preconfirm(id, said(11n));
      const on = { bringer: undefined, again: false, on: said(11n) };
      expect(await journal().consume(id, 51)).to.equal(false);
      expect(await journal().consume(id, 52, on)).to.equal(true);
      expect(await journal().consume(id, 53, on)).to.equal(false);
      await move(journal(), [row!], "settled");
      expect(await journal().consume(id, 54)).to.equal(false);
      expect((await journal().payment(id))?.consumedAtMs).to.equal(52);
    });

    it("gives none on a preconfirmation that is no longer what is known of the payment", async () => {
      const [row] = await acceptSeeds(journal(), 1);
      const id = row!.id;
      const on = { bringer: undefined, again: false, on: said(11n) };
      expect(await journal().consume(id, 51, on)).to.equal(false);
      for (const evidence of [
        said(12n),
        { kind: "preconfirmation-lost", transactionHash: hashOf("tx 1"), blockNumber: 11n } as const,
      ]) {
        await preconfirm(id, evidence);
        expect(await journal().consume(id, 52, on)).to.equal(false);
      }
      await preconfirm(id, said(11n));
      await move(journal(), [row!], "rejected");
      expect(await journal().consume(id, 53, on)).to.equal(false);
      expect((await journal().payment(id))?.consumedAtMs).to.equal(undefined);
    });

    it("gives it to nobody but the bringer, who may have it again if they say so", async () => {
      const [row] = await acceptAll(journal(), [paymentOf(1, { bringer: "shop" })]);
      const id = row!.id;
      await preconfirm(id, said(11n));
      const as = (bringer: string | undefined, again: boolean) =>
        journal().consume(id, 52, { bringer, again, on: said(11n) });
      expect([await as("other", true), await as(undefined, true)]).to.deep.equal([false, false]);
      expect([await as("shop", false), await as("shop", false), await as("shop", true)]).to.deep.equal([
        true,
        false,
        true,
      ]);
    });
  });
}
