import { expect } from "chai";
import type { Hex } from "viem";
import type { Attempt, BatchRow } from "../../../../src/journal/ports/batches.ts";
import { type BatchView, decideBatch, findGaps } from "../../../../src/settlement/sending/decide.ts";

const policy = { confirmations: 2, rebroadcastAfterMs: 8_000, replaceAfterMs: 20_000 };
const hash = (n: number): Hex => `0x${n.toString(16).padStart(64, "0")}`;

function attempt(n: number, over: Partial<Attempt> = {}): Attempt {
  return {
    hash: hash(n),
    raw: "0x02",
    gas: 100_000n,
    maxFeePerGas: 10n,
    maxPriorityFeePerGas: 1n,
    paymentIds: [1, 2],
    kind: "router",
    router: "0x0000000000000000000000000000000000000001",
    createdAtMs: 1_000,
    broadcastAtMs: 1_000,
    ...over,
  };
}

function view(over: Partial<BatchView> & { attempts?: Attempt[]; txNonce?: number } = {}): BatchView {
  const { attempts = [attempt(1)], txNonce = 7, ...rest } = over;
  const batch: BatchRow = {
    id: hash(99),
    chainId: 84532,
    sender: "0x0000000000000000000000000000000000000002",
    txNonce,
    state: "open",
    attempts,
    receipt: undefined,
    createdAtMs: 1_000,
  };
  return {
    batch,
    nowMs: 1_500,
    mined: undefined,
    txCount: 7,
    consumer: undefined,
    seenSinceMs: 1_000,
    answer: "accepted",
    answerTimes: 1,
    replaceNotBeforeMs: 0,
    ...rest,
  };
}

describe("decideBatch", () => {
  it("waits while a transaction is young", () => {
    expect(decideBatch(view(), policy)).to.deep.equal({ do: "wait" });
  });

  it("hands out stored bytes that were never broadcast (crash between storing and sending)", () => {
    const stored = attempt(1, { broadcastAtMs: undefined });
    expect(decideBatch(view({ attempts: [stored], answer: undefined }), policy)).to.deep.equal({
      do: "broadcast",
      attempt: stored,
    });
  });

  it("concludes at the confirmation depth and not one block before", () => {
    const one = attempt(1);
    expect(decideBatch(view({ mined: { attempt: one, depth: 1 } }), policy)).to.deep.equal({ do: "wait" });
    expect(decideBatch(view({ mined: { attempt: one, depth: 2 } }), policy)).to.deep.equal({
      do: "conclude",
      attempt: one,
    });
  });

  it("concludes an older attempt if that is the one that was mined", () => {
    const [older, newer] = [attempt(1), attempt(2)];
    const decision = decideBatch(view({ attempts: [older, newer], mined: { attempt: older, depth: 5 } }), policy);
    expect(decision).to.deep.equal({ do: "conclude", attempt: older });
  });

  it("hands the same bytes out again once the rebroadcast time is reached, not a millisecond before", () => {
    const one = attempt(1);
    expect(decideBatch(view({ nowMs: 8_999 }), policy)).to.deep.equal({ do: "wait" });
    expect(decideBatch(view({ nowMs: 9_000 }), policy)).to.deep.equal({ do: "broadcast", attempt: one });
  });

  it("replaces the newest attempt at the replacement time, if it is next in line", () => {
    const newest = attempt(2, { createdAtMs: 5_000, broadcastAtMs: 24_999 });
    const attempts = [attempt(1), newest];
    expect(decideBatch(view({ attempts, nowMs: 24_999 }), policy)).to.deep.equal({ do: "wait" });
    expect(decideBatch(view({ attempts, nowMs: 25_000 }), policy)).to.deep.equal({
      do: "replace",
      attempt: newest,
      because: "time",
    });
  });

  it("hands out the same bytes first after a restart or a reorg, however old they are", () => {
    const old = view({ nowMs: 1_000_000, seenSinceMs: 1_000_000, answer: undefined });
    expect(decideBatch(old, policy)).to.deep.equal({ do: "broadcast", attempt: attempt(1) });
    const after = view({
      nowMs: 1_019_999,
      seenSinceMs: 1_000_000,
      attempts: [attempt(1, { broadcastAtMs: 1_019_000 })],
    });
    expect(decideBatch(after, policy)).to.deep.equal({ do: "wait" });
    expect(decideBatch({ ...after, nowMs: 1_020_000 }, policy)).to.have.property("do", "replace");
  });

  it("does not replace while the fee ceiling forbids it", () => {
    const one = attempt(1, { broadcastAtMs: 20_000 });
    const late = view({ nowMs: 21_000, attempts: [one], replaceNotBeforeMs: 21_001 });
    expect(decideBatch(late, policy)).to.deep.equal({ do: "wait" });
    expect(decideBatch({ ...late, replaceNotBeforeMs: 21_000 }, policy)).to.have.property("do", "replace");
  });

  it("never replaces on nonce-too-low, however often it comes, and asks again at the rebroadcast time", () => {
    const low = view({ answer: "nonce-too-low", answerTimes: 50, nowMs: 8_999 });
    expect(decideBatch(low, policy)).to.deep.equal({ do: "wait" });
    expect(decideBatch({ ...low, nowMs: 1_000_000 }, policy)).to.deep.equal({ do: "broadcast", attempt: attempt(1) });
  });

  it("lets a mined attempt win over nonce-too-low", () => {
    const one = attempt(1);
    const low = view({ answer: "nonce-too-low", answerTimes: 50, mined: { attempt: one, depth: 2 } });
    expect(decideBatch(low, policy)).to.deep.equal({ do: "conclude", attempt: one });
  });

  it("never raises the fee of what the sender cannot pay", () => {
    const poor = view({ answer: "insufficient-funds", nowMs: 1_000_000 });
    expect(decideBatch(poor, policy)).to.deep.equal({ do: "broadcast", attempt: attempt(1) });
  });

  it("replaces an underpriced transaction after a quarter of the replacement time", () => {
    for (const answer of ["underpriced", "fee-too-low"] as const) {
      expect(decideBatch(view({ answer, nowMs: 5_999 }), policy)).to.deep.equal({ do: "wait" });
      const because = { do: "replace", attempt: attempt(1), because: "fee" };
      expect(decideBatch(view({ answer, nowMs: 6_000 }), policy)).to.deep.equal(because);
    }
  });

  it("believes that bytes are invalid only the second time, and hands them out again before that", () => {
    const one = attempt(1);
    expect(decideBatch(view({ answer: "invalid", nowMs: 1_999 }), policy)).to.deep.equal({ do: "wait" });
    expect(decideBatch(view({ answer: "invalid", nowMs: 2_000 }), policy)).to.deep.equal({
      do: "broadcast",
      attempt: one,
    });
    expect(decideBatch(view({ answer: "invalid", answerTimes: 2 }), policy)).to.deep.equal({
      do: "replace",
      attempt: one,
      because: "invalid",
    });
  });

  it("has nothing to drop from a no-op that is refused", () => {
    const none = attempt(1, { kind: "noop", paymentIds: [] });
    const refused = view({ attempts: [none], answer: "invalid", answerTimes: 9 });
    expect(decideBatch(refused, policy)).to.deep.equal({ do: "wait" });
  });

  it("hands out again what came before its turn as soon as its turn is there", () => {
    const early = view({ answer: "nonce-too-high", txNonce: 8, txCount: 7 });
    expect(decideBatch(early, policy)).to.deep.equal({ do: "wait" });
    expect(decideBatch({ ...early, txCount: 8 }, policy)).to.deep.equal({ do: "broadcast", attempt: attempt(1) });
  });

  it("does not replace a batch that waits for an earlier txNonce: it only hands it out again", () => {
    const decision = decideBatch(view({ txNonce: 8, txCount: 7, nowMs: 60_000 }), policy);
    expect(decision).to.deep.equal({ do: "broadcast", attempt: attempt(1) });
  });

  it("holds everything when the txNonce is consumed without evidence of the transaction", () => {
    expect(decideBatch(view({ txCount: 8, nowMs: 1_000_000 }), policy)).to.deep.equal({ do: "wait" });
  });

  it("gives payments back only when a foreign transaction consumed the txNonce", () => {
    expect(decideBatch(view({ txCount: 8, consumer: hash(55) }), policy)).to.deep.equal({
      do: "give-back",
      consumer: hash(55),
    });
  });

  it("holds when the node says that one of our attempts consumed the txNonce but shows no receipt", () => {
    const attempts = [attempt(0xab), attempt(2)];
    const consumer = hash(0xab).toUpperCase().replace("0X", "0x") as Hex;
    expect(decideBatch(view({ attempts, txCount: 8, consumer }), policy)).to.deep.equal({ do: "wait" });
  });

  it("lets a receipt win over a foreign consumer", () => {
    const one = attempt(1);
    const decision = decideBatch(view({ mined: { attempt: one, depth: 3 }, txCount: 8, consumer: hash(55) }), policy);
    expect(decision).to.deep.equal({ do: "conclude", attempt: one });
  });
});

describe("findGaps", () => {
  const open = (...nonces: number[]) => nonces.map((txNonce) => ({ txNonce }));

  it("finds nothing if the open batches follow the chain's count", () => {
    expect(findGaps(5, open(5, 6, 7), 8)).to.deep.equal([]);
    expect(findGaps(5, [], 5)).to.deep.equal([]);
  });

  it("finds each txNonce below the highest open one that nothing is on its way for", () => {
    expect(findGaps(5, open(7, 9), 5)).to.deep.equal([5, 6, 8]);
  });

  it("leaves what the mempool counts as pending alone: that is somebody's transaction", () => {
    expect(findGaps(5, open(7), 6)).to.deep.equal([6]);
    expect(findGaps(5, open(7), 8)).to.deep.equal([]);
  });
});
