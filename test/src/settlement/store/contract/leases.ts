import { expect } from "chai";
import type { Address } from "viem";
import type { Subject } from "../contract.ts";
import { acceptAll, acceptSeeds, addressOf, batchOf, chainId, lease, paymentOf, sender } from "../fixtures.ts";

export function describeLeases({ store, another }: Subject): void {
  const acquire = (owner: string, nowMs: number, change: { chainId?: number; sender?: Address } = {}) =>
    store().acquireLease({ chainId, sender, owner, nowMs, ttlMs: 100, ...change });

  describe("acquireLease", () => {
    it("gives a free key, in a first epoch", async () => {
      expect(await acquire("a", 1000)).to.deep.equal({
        lease: { chainId, sender, owner: "a", epoch: 1, expiresAtMs: 1100 },
      });
    });

    it("says who has a key, until the lease has expired", async () => {
      const held = await lease(store(), { owner: "a", nowMs: 1000, ttlMs: 100 });
      expect(await acquire("b", 1099)).to.deep.equal({ heldBy: held });
      expect(await acquire("b", 1100)).to.deep.equal({
        lease: { chainId, sender, owner: "b", epoch: 2, expiresAtMs: 1200 },
      });
    });

    it("gives an owner its key again under the same epoch, expired or not", async () => {
      await acquire("a", 1000);
      expect(await acquire("a", 1050)).to.deep.equal({
        lease: { chainId, sender, owner: "a", epoch: 1, expiresAtMs: 1150 },
      });
      expect(await acquire("a", 5000)).to.have.nested.property("lease.epoch", 1);
    });

    it("gives a key that was given back, in a new epoch, to its old owner too", async () => {
      const held = await lease(store(), { owner: "a" });
      await store().releaseLease(held);
      expect(await acquire("a", 2)).to.have.nested.property("lease.epoch", 2);
    });

    it("keeps keys apart by chain and address, whatever the case of the address", async () => {
      await acquire("a", 1000);
      expect(await acquire("b", 1000, { chainId: 8453 })).to.have.nested.property("lease.epoch", 1);
      expect(await acquire("b", 1000, { sender: addressOf(5) })).to.have.nested.property("lease.epoch", 1);
      const lower = `0x${sender.slice(2).toLowerCase()}` as const;
      expect(await acquire("b", 1000, { sender: lower })).to.have.nested.property("heldBy.owner", "a");
    });

    it("frees what the former owner had claimed, of that chain alone", async () => {
      const rows = await acceptSeeds(store(), 1, 2, 3);
      const [elsewhere] = await acceptAll(store(), [paymentOf(4, { chainId: 8453 })]);
      await acquire("a", 1000);
      const ids = async (owner: string, change: { nowMs?: number; limit?: number; chainId?: number } = {}) => {
        const query = { chainId, owner, nowMs: 1050, untilMs: 9000, limit: 10, ...change };
        return (await store().claim(query)).map(({ id }) => id);
      };
      expect(await ids("c", { limit: 1 })).to.deep.equal([rows[0]?.id]);
      expect(await ids("a")).to.deep.equal([rows[1]?.id, rows[2]?.id]);
      expect(await ids("a", { chainId: 8453 })).to.deep.equal([elsewhere?.id]);
      expect(await acquire("b", 1099)).to.have.property("heldBy");
      expect(await ids("b", { nowMs: 1099 })).to.deep.equal([]);
      await acquire("b", 1100);
      expect(await ids("b", { nowMs: 1100 })).to.deep.equal([rows[1]?.id, rows[2]?.id]);
      expect(await ids("b", { nowMs: 1100, chainId: 8453 })).to.deep.equal([]);
    });

    it("frees nothing where an owner takes its own key again, or gave it back", async () => {
      const rows = await acceptSeeds(store(), 1);
      await acquire("a", 1000);
      await store().claim({ chainId, owner: "a", nowMs: 1000, untilMs: 9000, limit: 10 });
      const held = await lease(store(), { owner: "a", nowMs: 2000, ttlMs: 100 });
      const claim = () => store().claim({ chainId, owner: "b", nowMs: 3000, untilMs: 9000, limit: 10 });
      expect(await claim()).to.deep.equal([]);
      await store().releaseLease(held);
      await acquire("b", 2001);
      expect(await claim()).to.deep.equal([]);
      await store().release([rows[0]?.id ?? -1], "a");
      expect(await claim()).to.deep.equal(rows);
    });

    it("leaves the claims of an owner alone who has another key, until that one has expired too", async () => {
      const rows = await acceptSeeds(store(), 1);
      await acquire("a", 1000);
      await acquire("a", 1050, { sender: addressOf(5) });
      await acquire("a", 1900, { chainId: 8453 });
      await store().claim({ chainId, owner: "a", nowMs: 1050, untilMs: 9000, limit: 10 });
      const claim = () => store().claim({ chainId, owner: "b", nowMs: 1150, untilMs: 9000, limit: 10 });
      await acquire("b", 1149);
      expect(await claim()).to.deep.equal([]);
      await acquire("b", 1150, { sender: addressOf(5) });
      expect(await claim()).to.deep.equal(rows);
    });

    it("lets a former owner put nothing into a batch, and its next lease nothing that is in one", async () => {
      const rows = await acceptSeeds(store(), 1, 2);
      const claim = (owner: string) => store().claim({ chainId, owner, nowMs: 1050, untilMs: 9000, limit: 10 });
      const old = await lease(store(), { owner: "a", nowMs: 1000, ttlMs: 100 });
      await claim("a");
      const next = await lease(store(), { owner: "b", nowMs: 1100, ttlMs: 100 });
      expect(await claim("b")).to.deep.equal(rows);
      expect(await store().storeBatch(old, batchOf(0, rows), 1060)).to.equal("fenced");
      expect(await store().storeBatch(next, batchOf(0, rows), 1110)).to.equal("stored");
      const again = await lease(store(), { owner: "a", nowMs: 1200, ttlMs: 100 });
      expect(await store().storeBatch(again, batchOf(1, rows), 1210)).to.equal("payments-moved");
    });

    it("gives a key to one of ten owners at once", async () => {
      const other = await another();
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          (index % 2 ? store() : other).acquireLease({ chainId, sender, owner: `${index}`, nowMs: 1, ttlMs: 100 }),
        ),
      );
      expect(answers.filter((answer) => "lease" in answer)).to.have.length(1);
    });
  });

  describe("renewLease", () => {
    it("extends a lease, an expired one too while nobody took it", async () => {
      const held = await lease(store(), { nowMs: 0, ttlMs: 100 });
      expect(await store().renewLease(held, 50, 100)).to.deep.equal({ ...held, expiresAtMs: 150 });
      expect(await store().renewLease(held, 500, 100)).to.deep.equal({ ...held, expiresAtMs: 600 });
      expect(await acquire("b", 599)).to.have.property("heldBy");
    });

    it("answers undefined after a takeover, and after it was given back", async () => {
      const old = await lease(store(), { owner: "a", nowMs: 0, ttlMs: 100 });
      const next = await lease(store(), { owner: "b", nowMs: 100, ttlMs: 100 });
      expect(await store().renewLease(old, 101, 100)).to.equal(undefined);
      expect(await store().renewLease({ ...next, epoch: 1 }, 101, 100)).to.equal(undefined);
      await store().releaseLease(next);
      expect(await store().renewLease(next, 102, 100)).to.equal(undefined);
    });
  });

  describe("releaseLease", () => {
    it("does nothing for an owner who lost the key", async () => {
      const old = await lease(store(), { owner: "a", nowMs: 0, ttlMs: 100 });
      await lease(store(), { owner: "b", nowMs: 100, ttlMs: 100 });
      await store().releaseLease(old);
      expect(await acquire("c", 150)).to.have.nested.property("heldBy.owner", "b");
    });
  });
}
