import { expect } from "chai";
import { JournalError } from "../../../../src/journal/index.ts";
import type { Subject } from "../contract.ts";
import { acceptSeeds, move, openPlace, type Place } from "../fixtures.ts";
import { runChild } from "./processes.ts";

export function describeOpening({ journal, place }: Subject, fresh: () => Promise<Place>): void {
  describe("openJournal", () => {
    it("makes a journal once if many open it at once, in two processes", async () => {
      const empty = await fresh();
      const child = runChild("open", empty);
      const stores = await Promise.all(Array.from({ length: 5 }, () => openPlace(empty)));
      expect(await child).to.deep.equal(["open"]);
      const counts = await Promise.all(stores.map((one) => one.count()));
      expect(counts).to.deep.equal(stores.map(() => ({})));
      await Promise.all(stores.map((one) => one.close()));
    });

    it("finds what was there", async () => {
      const rows = await acceptSeeds(journal(), 1, 2);
      await journal().close();
      const again = await openPlace(place());
      expect(await again.list({ limit: 9 })).to.deep.equal(rows);
      await again.close();
    });
  });

  describe("close", () => {
    it("waits for what is under way, and refuses what comes later", async () => {
      const accepted = acceptSeeds(journal(), 1, 2);
      const closed = journal().close();
      expect(await accepted).to.have.length(2);
      await closed;
      await journal().close();
      for (const late of [acceptSeeds(journal(), 3), journal().payment(1), journal().consume(1, 1)]) {
        const error = await late.catch((reason: unknown) => reason);
        expect(error).to.be.instanceOf(JournalError).with.property("kind", "closed");
      }
    });
  });

  describe("two processes", () => {
    it("share a payment's one success", async () => {
      const rows = await acceptSeeds(journal(), 1);
      await move(journal(), rows, "settled");
      const id = rows[0]?.id ?? 0;
      const children = [runChild("consume", place(), `${id}`), runChild("consume", place(), `${id}`)];
      const mine = await Promise.all(Array.from({ length: 10 }, () => journal().consume(id, 1)));
      const all = [...mine, ...(await Promise.all(children)).flat(2)];
      expect(all).to.have.length(30);
      expect(all.filter((won) => won === true)).to.have.length(1);
    });

    it("pick disjoint payments", async () => {
      await acceptSeeds(journal(), ...Array.from({ length: 60 }, (_, seed) => seed));
      const children = await Promise.all(["a", "b", "c"].map((owner) => runChild("pick", place(), owner)));
      const ids = children.flat(2);
      expect(ids.length).to.be.greaterThan(0);
      expect(new Set(ids).size).to.equal(ids.length);
    });
  });
}
