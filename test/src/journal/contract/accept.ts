import { expect } from "chai";
import { maxUint256 } from "viem";
import { JournalError } from "../../../../src/journal/index.ts";
import type { Subject } from "../contract.ts";
import { acceptSeeds, addressOf, chainId, hashOf, move, paymentOf } from "../fixtures.ts";

export function describeAccept({ journal, another }: Subject): void {
  describe("accept", () => {
    it("keeps every term exactly, at any size", async () => {
      const authorization = paymentOf(1, { deadlineSeconds: maxUint256, acceptedBlock: 2n ** 80n, source: "line 7" });
      const call = {
        identity: "call of somebody",
        digest: hashOf("call"),
        work: { kind: "call", chainId: 8453, to: addressOf(7), data: "0xdeadbeef", gas: 2n ** 70n },
        deadlineSeconds: 0n,
        acceptedBlock: 0n,
        source: undefined,
      } as const;
      const rest = {
        state: "queued",
        reason: undefined,
        reasonCount: undefined,
        batchId: undefined,
        acceptedAtMs: 5,
        updatedAtMs: 5,
        tries: 0,
        nextTryAtMs: 0,
        consumedAtMs: undefined,
        bringer: undefined,
      };
      const accepted = await journal().accept([authorization, call], 5);
      const rows = accepted.map(({ row }) => row);
      expect(accepted.map(({ isNew }) => isNew)).to.deep.equal([true, true]);
      expect(rows[0]).to.deep.equal({
        ...authorization,
        ...rest,
        id: rows[0]?.id,
        chainId,
        evidence: { kind: "accepted", block: 2n ** 80n },
      });
      expect(rows[1]).to.deep.equal({
        ...call,
        ...rest,
        id: rows[1]?.id,
        chainId: 8453,
        evidence: { kind: "accepted", block: 0n },
      });
      const reopened = await another();
      for (const row of rows) expect(await reopened.payment(row.id)).to.deep.equal(row);
    });

    it("returns the existing row for the same terms, with its current state", async () => {
      const [first] = await acceptSeeds(journal(), 1);
      if (first === undefined) throw new Error();
      await move(journal(), [first], "rejected", 9);
      const [again] = await journal().accept([{ ...paymentOf(1), source: "elsewhere" }], 20);
      expect(again?.isNew).to.equal(false);
      expect(again?.row).to.include({ id: first.id, state: "rejected", source: undefined, acceptedAtMs: 1 });
      expect(await journal().history(first.id)).to.have.length(2);
    });

    it("makes one row for two equal payments in a call", async () => {
      const accepted = await journal().accept([paymentOf(1), paymentOf(2), paymentOf(1)], 1);
      expect(accepted.map(({ isNew }) => isNew)).to.deep.equal([true, true, false]);
      expect(accepted[2]?.row).to.deep.equal(accepted[0]?.row);
      expect(await journal().count()).to.deep.equal({ queued: 2 });
    });

    it("makes a row for each variant", async () => {
      const accepted = await journal().accept([paymentOf(1), paymentOf(1, { variant: 1 })], 1);
      expect(accepted.map(({ isNew }) => isNew)).to.deep.equal([true, true]);
      expect(accepted[0]?.row.identity).to.equal(accepted[1]?.row.identity);
    });

    it("accepts nothing from an empty list", async () => {
      expect(await journal().accept([], 1)).to.deep.equal([]);
    });

    it("makes one row for 50 equal payments at once, over two instances", async () => {
      const other = await another();
      const calls = Array.from({ length: 50 }, (_, index) =>
        (index % 2 ? journal() : other).accept([paymentOf(1)], index),
      );
      const accepted = (await Promise.all(calls)).flat();
      expect(new Set(accepted.map(({ row }) => row.id)).size).to.equal(1);
      expect(accepted.filter(({ isNew }) => isNew)).to.have.length(1);
      expect(await journal().count()).to.deep.equal({ queued: 1 });
    });

    it("keeps the order of 2,500 payments in a call", async () => {
      const payments = Array.from({ length: 2_500 }, (_, index) => paymentOf(index));
      const rows = (await journal().accept(payments, 1)).map(({ row }) => row);
      expect(rows.map(({ identity }) => identity)).to.deep.equal(payments.map(({ identity }) => identity));
      const ids = rows.map(({ id }) => id);
      expect(ids).to.deep.equal([...ids].sort((a, b) => a - b));
      expect(await journal().history(ids[2_499] ?? 0)).to.have.length(1);
    });

    it("rejects a payment that cannot be stored, alone among those of the same moment", async () => {
      const bad = [
        { ...paymentOf(2), digest: "0x12" },
        { ...paymentOf(2), identity: "with \0 in it" },
        { ...paymentOf(2), identity: "" },
        { ...paymentOf(2), work: { kind: "call", chainId, to: "0x", data: "0x", gas: 1n } },
      ] as const;
      const calls = await Promise.allSettled([
        journal().accept([paymentOf(1)], 1),
        ...bad.map((payment) => journal().accept([payment], 1)),
        // SQLite and PostgreSQL refuse a fraction of a millisecond, in the transaction that the others share.
        journal().accept([paymentOf(3)], 1.5),
        journal().accept([paymentOf(4)], 1),
      ]);
      expect(calls.map(({ status }) => status)).to.deep.equal([
        "fulfilled",
        ...bad.map(() => "rejected"),
        "rejected",
        "fulfilled",
      ]);
      for (const call of calls) {
        if (call.status === "rejected")
          expect(call.reason).to.be.instanceOf(JournalError).with.property("kind", "invalid");
      }
      expect(await journal().count()).to.deep.equal({ queued: 2 });
    });

    it("keeps a source without characters that no database stores", async () => {
      const [accepted] = await journal().accept([paymentOf(1, { source: "a\0b\ud800c 😀 'quoted' \\" })], 1);
      expect(accepted?.row.source).to.equal("a\uFFFDb\uFFFDc 😀 'quoted' \\");
    });
  });
}
