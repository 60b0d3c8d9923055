import { expect } from "chai";
import type { Address } from "viem";
import type { Clock } from "../../../../src/clock.ts";
import type { HeldLease, Journal } from "../../../../src/journal/index.ts";
import { silentLogger } from "../../../../src/logger.ts";
import { createLeaseKeeper } from "../../../../src/settlement/sending/lease.ts";
import type { Subject } from "../contract.ts";
import {
  acceptAll,
  acceptSeeds,
  addressOf,
  batchOf,
  chainId,
  lease,
  paymentOf,
  sender,
  takeOver,
} from "../fixtures.ts";

const TTL_MS = 100;
const MINUTES_10 = 600_000;

/** A process: its time of day, which may be wrong, and its steady clock, both moved by hand. */
function processAt(journal: Journal, owner: string, timeOfDayMs: number) {
  let elapsed = 0;
  const clock: Clock = { now: () => timeOfDayMs + elapsed, elapsed: () => elapsed, sleep: async () => undefined };
  const options = { journal, key: { chainId, sender }, owner, ttlMs: TTL_MS, clock, logger: silentLogger };
  const pass = (ms: number): void => {
    elapsed += ms;
  };
  return { ...createLeaseKeeper(options), pass };
}

export function describeLeases({ journal, another }: Subject): void {
  const acquire = (
    owner: string,
    change: { chainId?: number; sender?: Address; abandoned?: HeldLease | undefined } = {},
  ) => journal().acquireLease({ chainId, sender, owner, ttlMs: TTL_MS, ...change });
  const heldBy = async (asker: string): Promise<HeldLease> => {
    const answer = await acquire(asker);
    if ("lease" in answer) throw new Error("it was free");
    return answer.heldBy;
  };

  describe("acquireLease", () => {
    it("gives a free key, in a first epoch", async () => {
      expect(await acquire("a")).to.deep.equal({ lease: { chainId, sender, owner: "a", epoch: 1 } });
    });

    it("says who has a key, where it runs, since when and for how long it was silent", async () => {
      const place = { host: "here", pid: 17 };
      await journal().acquireLease({ chainId, sender, owner: "a", ttlMs: TTL_MS, place });
      const { takenAtMs, silentForMs, ...held } = await heldBy("b");
      expect(held).to.deep.equal({ chainId, sender, owner: "a", epoch: 1, renewals: 1, ttlMs: TTL_MS, place });
      expect(silentForMs).to.be.at.least(0);
      await acquire("a");
      const renewed = await heldBy("b");
      expect(renewed).to.include({ renewals: 2, epoch: 1, takenAtMs });
      expect((await journal().senders(chainId))[0]?.lease).to.include({ owner: "a", renewals: 2 });
    });

    it("gives another owner's key only to a process that saw exactly this lease, unrenewed", async () => {
      await acquire("a");
      const seen = await heldBy("b");
      await acquire("a");
      expect(await acquire("b", { abandoned: seen })).to.have.nested.property("heldBy.renewals", 2);
      for (const wrong of [{ owner: "c" }, { epoch: 0 }, { renewals: 3 }]) {
        const abandoned = { ...(await heldBy("b")), ...wrong };
        expect(await acquire("b", { abandoned })).to.have.property("heldBy");
      }
      expect(await acquire("b", { abandoned: await heldBy("b") })).to.deep.equal({
        lease: { chainId, sender, owner: "b", epoch: 2 },
      });
    });

    it("gives an owner its key again under the same epoch", async () => {
      await acquire("a");
      expect(await acquire("a")).to.deep.equal({ lease: { chainId, sender, owner: "a", epoch: 1 } });
    });

    it("gives a key that was given back, in a new epoch, to its old owner too", async () => {
      const held = await lease(journal(), { owner: "a" });
      await journal().releaseLease(held);
      expect(await acquire("a")).to.have.nested.property("lease.epoch", 2);
    });

    it("keeps keys apart by chain and address, whatever the case of the address", async () => {
      await acquire("a");
      expect(await acquire("b", { chainId: 8453 })).to.have.nested.property("lease.epoch", 1);
      expect(await acquire("b", { sender: addressOf(5) })).to.have.nested.property("lease.epoch", 1);
      const lower = `0x${sender.slice(2).toLowerCase()}` as const;
      expect(await acquire("b", { sender: lower })).to.have.nested.property("heldBy.owner", "a");
    });

    it("frees what the former owner had picked, of that chain alone", async () => {
      const rows = await acceptSeeds(journal(), 1, 2, 3);
      const [elsewhere] = await acceptAll(journal(), [paymentOf(4, { chainId: 8453 })]);
      await acquire("a");
      const ids = async (owner: string, change: { limit?: number; chainId?: number } = {}) => {
        const query = { chainId, owner, nowMs: 1050, untilMs: 9000, limit: 10, ...change };
        return (await journal().pick(query)).map(({ id }) => id);
      };
      expect(await ids("c", { limit: 1 })).to.deep.equal([rows[0]?.id]);
      expect(await ids("a")).to.deep.equal([rows[1]?.id, rows[2]?.id]);
      expect(await ids("a", { chainId: 8453 })).to.deep.equal([elsewhere?.id]);
      expect(await acquire("b")).to.have.property("heldBy");
      expect(await ids("b")).to.deep.equal([]);
      await takeOver(journal(), "b");
      expect(await ids("b")).to.deep.equal([rows[1]?.id, rows[2]?.id]);
      expect(await ids("b", { chainId: 8453 })).to.deep.equal([]);
    });

    it("frees nothing if an owner takes its own key again, or gave it back", async () => {
      const rows = await acceptSeeds(journal(), 1);
      await acquire("a");
      await journal().pick({ chainId, owner: "a", nowMs: 1000, untilMs: 9000, limit: 10 });
      const held = await lease(journal(), { owner: "a" });
      const pick = () => journal().pick({ chainId, owner: "b", nowMs: 3000, untilMs: 9000, limit: 10 });
      expect(await pick()).to.deep.equal([]);
      await journal().releaseLease(held);
      await acquire("b");
      expect(await pick()).to.deep.equal([]);
      await journal().putBack([rows[0]?.id ?? -1], "a");
      expect(await pick()).to.deep.equal(rows);
    });

    it("leaves the picks of an owner with another key alone, until that one is taken too", async () => {
      const rows = await acceptSeeds(journal(), 1);
      await acquire("a");
      await acquire("a", { sender: addressOf(5) });
      await acquire("a", { chainId: 8453 });
      await journal().pick({ chainId, owner: "a", nowMs: 1050, untilMs: 9000, limit: 10 });
      const pick = () => journal().pick({ chainId, owner: "b", nowMs: 1150, untilMs: 9000, limit: 10 });
      await takeOver(journal(), "b");
      expect(await pick()).to.deep.equal([]);
      await takeOver(journal(), "b", { sender: addressOf(5) });
      expect(await pick()).to.deep.equal(rows);
    });

    it("lets a former owner put nothing into a batch, and its next lease nothing that is already in one", async () => {
      const rows = await acceptSeeds(journal(), 1, 2);
      const pick = (owner: string) => journal().pick({ chainId, owner, nowMs: 1050, untilMs: 9000, limit: 10 });
      const old = await lease(journal(), { owner: "a" });
      await pick("a");
      const next = await takeOver(journal(), "b");
      expect(await pick("b")).to.deep.equal(rows);
      expect(await journal().storeBatch(old, batchOf(0, rows), 1060)).to.equal("fenced");
      expect(await journal().storeBatch(next, batchOf(0, rows), 1110)).to.equal("stored");
      const again = await takeOver(journal(), "a");
      expect(await journal().storeBatch(again, batchOf(1, rows), 1210)).to.equal("payments-moved");
    });

    it("gives a key to one of ten owners at once, free or abandoned", async () => {
      const other = await another();
      const race = async (abandoned: HeldLease | undefined) => {
        const answers = await Promise.all(
          Array.from({ length: 10 }, (_, index) =>
            (index % 2 ? journal() : other).acquireLease({ chainId, sender, owner: `${index}`, ttlMs: 100, abandoned }),
          ),
        );
        return answers.filter((answer) => "lease" in answer).length;
      };
      expect(await race(undefined)).to.equal(1);
      expect(await race(await heldBy("another"))).to.equal(1);
    });
  });

  describe("releaseLease", () => {
    it("does nothing for an owner who lost the key", async () => {
      const old = await lease(journal(), { owner: "a" });
      await takeOver(journal(), "b");
      await journal().releaseLease(old);
      expect(await acquire("c")).to.have.nested.property("heldBy.owner", "b");
    });
  });

  describe("two processes whose clocks are ten minutes apart", () => {
    for (const [whose, aheadMs] of [
      ["the second one's is ahead", MINUTES_10],
      ["the second one's is behind", -MINUTES_10],
    ] as const) {
      it(`leave the key to the one that renews it, if ${whose}`, async () => {
        const first = processAt(journal(), "first", 1_900_000_000_000);
        const second = processAt(await another(), "second", 1_900_000_000_000 + aheadMs);
        expect(await first.keep()).to.equal(undefined);
        // Both watch all the time, and the renewals come as late as possible.
        for (let i = 0; i < 40; i += 1) {
          expect(await second.keep()).to.have.nested.property("lease.owner", "first");
          for (const one of [first, second]) one.pass(TTL_MS - 1);
          expect(await first.keep()).to.equal(undefined);
        }
        expect(await second.keep()).to.include({ isAlive: true });
        expect(first.holds()).to.include({ owner: "first", epoch: 1 });
        expect(second.holds()).to.equal(undefined);
      });
    }

    it("hand the key of a dead one over once it was seen unrenewed for its whole life, not a moment sooner", async () => {
      const first = processAt(journal(), "first", 1_900_000_000_000);
      const second = processAt(await another(), "second", 1_900_000_000_000 + MINUTES_10);
      await first.keep();
      expect(await second.keep()).to.include({ isAlive: false, quietForMs: 0 });
      second.pass(TTL_MS - 1);
      expect(await second.keep()).to.include({ isAlive: false, quietForMs: TTL_MS - 1 });
      second.pass(1);
      expect(await second.keep()).to.equal(undefined);
      expect(second.holds()).to.include({ owner: "second", epoch: 2 });
    });

    it("lets a stalled one journal nothing after the key was taken, whatever its clocks say", async () => {
      const rows = await acceptSeeds(journal(), 1);
      const first = processAt(journal(), "first", 1_900_000_000_000);
      const second = processAt(await another(), "second", 1_900_000_000_000);
      await first.keep();
      await second.keep();
      second.pass(TTL_MS);
      await second.keep();
      // It stood still, with its clock: it believes that it holds the key.
      const stale = first.holds();
      expect(stale).to.include({ owner: "first", epoch: 1 });
      expect(await journal().storeBatch(stale!, batchOf(0, rows), 1)).to.equal("fenced");
      first.pass(TTL_MS);
      expect(first.holds()).to.equal(undefined);
      expect(await first.keep()).to.have.nested.property("lease.owner", "second");
      expect(await journal().storeBatch(second.holds()!, batchOf(0, rows), 1)).to.equal("stored");
    });
  });
}
