import { expect } from "chai";
import { idOf, recordOf } from "../../../helpers/channelRecords.ts";
import type { Subject } from "../contract.ts";
import { acceptAll, addressOf, batchOf, chainId, hashOf, lease, paymentOf, sender } from "../fixtures.ts";

export function describeSurvey({ journal }: Subject): void {
  describe("withIdentities", () => {
    it("gives all variants of many identities by ascending id", async () => {
      const rows = await acceptAll(journal(), [paymentOf(2), paymentOf(1), paymentOf(3), paymentOf(1, { variant: 1 })]);
      const identities = [paymentOf(1).identity, paymentOf(2).identity, "nobody's"];
      expect(await journal().withIdentities(identities)).to.deep.equal([rows[0], rows[1], rows[3]]);
      expect(await journal().withIdentities([])).to.deep.equal([]);
    });
  });

  describe("withNonce", () => {
    it("gives payments whose authorization has a nonce, on any chain", async () => {
      const rows = await acceptAll(journal(), [paymentOf(1), paymentOf(2), paymentOf(1, { chainId: 8453 })]);
      expect(await journal().withNonce(hashOf(1))).to.deep.equal([rows[0], rows[2]]);
      expect(await journal().withNonce(`0x${hashOf(2).slice(2).toUpperCase()}`)).to.deep.equal([rows[1]]);
      expect(await journal().withNonce(hashOf(9))).to.deep.equal([]);
    });
  });

  describe("withSource", () => {
    it("gives payments from a source and its parts, of many the newest ones, oldest first", async () => {
      const sources = ["x402:a", "x402:a:shop", "x402:ab", "x402:b", undefined, "x402:a", "x402:A", "é:1", "é:2"];
      const rows = await acceptAll(
        journal(),
        sources.map((source, seed) => paymentOf(seed, { source })),
      );
      expect(await journal().withSource("x402:a", 9)).to.deep.equal([rows[0], rows[1], rows[5]]);
      expect(await journal().withSource("x402:a", 2)).to.deep.equal([rows[1], rows[5]]);
      expect(await journal().withSource("x402:a:shop", 9)).to.deep.equal([rows[1]]);
      expect(await journal().withSource("é", 9)).to.deep.equal([rows[7], rows[8]]);
      expect(await journal().withSource("x402:%", 9)).to.deep.equal([]);
    });
  });

  describe("countChannels", () => {
    it("counts a chain's channels that are not given up", async () => {
      const rowOf = (seed: number, change: { chainId?: number; isDeleted?: boolean } = {}) => {
        const common = { channelId: idOf(seed), chainId, record: recordOf(seed, 5n), claimed: 0n, isDeleted: false };
        return { ...common, withdrawal: undefined, fault: undefined, ...change };
      };
      expect(await journal().countChannels(chainId)).to.equal(0);
      const rows = [rowOf(1), rowOf(2), rowOf(3, { isDeleted: true }), rowOf(4, { chainId: 8453 })];
      await journal().changeChannels(
        rows.map((after) => ({ before: undefined, after })),
        1,
      );
      expect(await journal().countChannels(chainId)).to.equal(2);
      expect(await journal().countChannels(8453)).to.equal(1);
    });
  });

  describe("senders", () => {
    it("lists every key with its lease, its open batches and its last txNonce", async () => {
      expect(await journal().senders()).to.deep.equal([]);
      const held = await lease(journal(), { owner: "a", ttlMs: 100 });
      for (const txNonce of [4, 5, 6]) await journal().storeBatch(held, batchOf(txNonce, []), 1);
      const lostBatch = { batchId: batchOf(6, []).id, state: "lost", receipt: undefined, transitions: [] } as const;
      await journal().concludeBatch(held, lostBatch, 2);
      const other = await lease(journal(), { owner: "b", sender: addressOf(5), chainId: 1 });
      await journal().releaseLease(other);
      const [one] = await journal().senders(chainId);
      const { lease: taken, ...mine } = one!;
      expect(mine).to.deep.equal({ chainId, sender, epoch: 1, openBatches: 2, lastTxNonce: 6 });
      expect(taken).to.include({ owner: "a", epoch: 1, renewals: 1, place: undefined });
      const [given, again] = await journal().senders();
      const none = { lease: undefined, openBatches: 0, lastTxNonce: undefined };
      expect(given).to.deep.equal({ chainId: 1, sender: addressOf(5), epoch: 1, ...none });
      expect(again).to.deep.include(mine);
    });
  });
}
