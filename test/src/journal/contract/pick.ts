import { expect } from "chai";
import type { Journal } from "../../../../src/journal/index.ts";
import type { Subject } from "../contract.ts";
import { acceptAll, acceptSeeds, batchOf, chainId, lease, move, paymentOf, request } from "../fixtures.ts";

const pick = (journal: Journal, change: Partial<Parameters<Journal["pick"]>[0]> = {}) =>
  journal.pick({ chainId, owner: "a", nowMs: 100, untilMs: 200, limit: 100, ...change });

export function describePick({ journal, another }: Subject): void {
  describe("pick", () => {
    it("gives the earliest deadlines first, up to the limit", async () => {
      const deadlines = [50n, 2n ** 200n, 10n, 30n, 10n];
      const rows = await acceptAll(
        journal(),
        deadlines.map((deadlineSeconds, seed) => paymentOf(seed, { deadlineSeconds })),
      );
      const picked = await pick(journal(), { limit: 3 });
      expect(picked).to.deep.equal([rows[2], rows[4], rows[3]]);
      expect(await pick(journal(), { owner: "b" })).to.deep.equal([rows[0], rows[1]]);
    });

    it("skips what another owner picked, until its time has passed", async () => {
      const rows = await acceptSeeds(journal(), 1, 2);
      expect(await pick(journal(), { untilMs: 200 })).to.deep.equal(rows);
      expect(await pick(journal(), { owner: "b", nowMs: 199 })).to.deep.equal([]);
      expect(await pick(journal(), { owner: "b", nowMs: 200 })).to.deep.equal(rows);
    });

    it("gives an owner its own picks again, with a later end", async () => {
      const rows = await acceptSeeds(journal(), 1);
      await pick(journal(), { untilMs: 200 });
      expect(await pick(journal(), { untilMs: 300 })).to.deep.equal(rows);
      expect(await pick(journal(), { owner: "b", nowMs: 299 })).to.deep.equal([]);
    });

    it("skips what is not due, but takes it at its time", async () => {
      const rows = await acceptSeeds(journal(), 1);
      await journal().transition(
        rows.map(({ id }) => ({ paymentId: id, from: ["queued"], to: "queued", evidence: request, nextTryAtMs: 100 })),
        2,
      );
      expect(await pick(journal(), { nowMs: 99 })).to.deep.equal([]);
      expect(await pick(journal(), { nowMs: 100 })).to.have.length(1);
    });

    it("skips other chains and other states", async () => {
      const rows = await acceptAll(journal(), [paymentOf(1, { chainId: 8453 }), paymentOf(2)]);
      await move(journal(), rows.slice(1), "rejected");
      expect(await pick(journal())).to.deep.equal([]);
      expect(await pick(journal(), { chainId: 8453 })).to.deep.equal(rows.slice(0, 1));
    });

    for (const state of ["batched", "submitted", "settled"] as const) {
      it(`skips an identity of which another variant is ${state}`, async () => {
        const [first] = await acceptAll(journal(), [paymentOf(1), paymentOf(1, { variant: 1 })]);
        if (first === undefined) throw new Error();
        await move(journal(), [first], state);
        expect(await pick(journal())).to.deep.equal([]);
        await move(journal(), [first], "rejected");
        expect(await pick(journal())).to.have.length(1);
      });
    }

    it("names the settled ones whose variants are queued, once each", async () => {
      const variants = [1, 2, 3].map((variant) => paymentOf(1, { variant }));
      const rows = await acceptAll(journal(), [paymentOf(1), ...variants, paymentOf(2), paymentOf(2, { variant: 1 })]);
      const winners = () => journal().winners({ chainId, limit: 10 });
      await move(journal(), [rows[0]!, rows[4]!], "submitted");
      expect(await winners()).to.deep.equal([]);
      await move(journal(), [rows[0]!, rows[4]!], "settled");
      expect((await winners()).map(({ id }) => id)).to.deep.equal([rows[0]!.id, rows[4]!.id]);
      expect(await journal().winners({ chainId, limit: 1 })).to.have.length(1);
      expect(await journal().winners({ chainId: 8453, limit: 10 })).to.deep.equal([]);
      await move(journal(), [rows[1]!, rows[2]!, rows[3]!], "already-used");
      expect((await winners()).map(({ id }) => id)).to.deep.equal([rows[4]!.id]);
    });

    it("gives 20 pickers at once disjoint payments, and all of them", async () => {
      const rows = await acceptSeeds(journal(), ...Array.from({ length: 100 }, (_, seed) => seed));
      const other = await another();
      const owners = Array.from({ length: 20 }, (_, index) => `owner ${index}`);
      const picks = await Promise.all(
        owners.map((owner, index) => pick(index % 2 ? journal() : other, { owner, limit: 5 })),
      );
      const ids = picks.flat().map(({ id }) => id);
      expect(new Set(ids).size).to.equal(ids.length);
      // A picker that met rows which others were about to pick got fewer; the rest is still there.
      for (const { id } of await pick(journal(), { owner: "last" })) ids.push(id);
      expect(ids.sort((a, b) => a - b)).to.deep.equal(rows.map(({ id }) => id));
    });

    it("ends if the payment goes into a batch and comes back", async () => {
      const rows = await acceptSeeds(journal(), 1);
      await pick(journal(), { untilMs: 10_000 });
      const held = await lease(journal());
      expect(await journal().storeBatch(held, batchOf(0, rows), 10)).to.equal("stored");
      await move(journal(), rows, "queued");
      expect(await pick(journal(), { owner: "b" })).to.have.length(1);
    });
  });

  describe("keepPicked", () => {
    it("gives an owner's picks a later end, and nobody else's", async () => {
      const rows = await acceptSeeds(journal(), 1, 2, 3);
      const ids = rows.map(({ id }) => id);
      await pick(journal(), { limit: 1, untilMs: 200 });
      await pick(journal(), { owner: "b", limit: 1, untilMs: 200 });
      await journal().keepPicked(ids, "a", 300);
      await journal().keepPicked([], "a", 900);
      expect(await pick(journal(), { owner: "c", nowMs: 200, untilMs: 250 })).to.deep.equal(rows.slice(1));
      expect(await pick(journal(), { owner: "d", nowMs: 299, untilMs: 400 })).to.deep.equal(rows.slice(1));
      expect(await pick(journal(), { owner: "c", nowMs: 300, untilMs: 400 })).to.deep.equal(rows.slice(0, 1));
    });

    it("revives no pick that its owner has lost", async () => {
      const rows = await acceptSeeds(journal(), 1);
      await pick(journal(), { untilMs: 200 });
      await pick(journal(), { owner: "b", nowMs: 200, untilMs: 300 });
      await journal().keepPicked([rows[0]?.id ?? -1], "a", 900);
      expect(await pick(journal(), { owner: "c", nowMs: 300, untilMs: 400 })).to.deep.equal(rows);
    });
  });

  describe("putBack", () => {
    it("gives an owner's picks back, and nobody else's", async () => {
      const rows = await acceptSeeds(journal(), 1, 2);
      await pick(journal());
      const ids = rows.map(({ id }) => id);
      await journal().putBack(ids, "b");
      expect(await pick(journal(), { owner: "b" })).to.deep.equal([]);
      await journal().putBack(ids.slice(1), "a");
      await journal().putBack([], "a");
      expect(await pick(journal(), { owner: "b" })).to.deep.equal(rows.slice(1));
    });
  });
}
