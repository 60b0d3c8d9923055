import { expect } from "chai";
import type { Address } from "viem";
import type { Subject } from "../contract.ts";
import { addressOf, chainId, lease, sender } from "../fixtures.ts";

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
