import { expect } from "chai";
import { numberToHex } from "viem";
import { createCutOff } from "../../../../src/settlement/sending/cutOff.ts";

const PERIOD_MS = 2_000;

/**
 * A chain with a block each two seconds, of which block `n` is due at `n` times two seconds and takes what the node has
 * `cutOffMs` before, and rounds that take `roundMs` and `eachMs` for each payment.
 */
function openLab({ cutOffMs, roundMs, eachMs = 0 }: { cutOffMs: number; roundMs: number; eachMs?: number }) {
  let nowMs = 100 * PERIOD_MS + 1;
  let isRegular = true;
  /** How many blocks behind its node is, and how many more a transaction waits than it has to. */
  let [behind, heldUp] = [0, 0];
  const newest = (): number => Math.floor(nowMs / PERIOD_MS);
  const cutOff = createCutOff({
    newest: () => BigInt(newest() - behind),
    periodMs: () => (isRegular ? PERIOD_MS : undefined),
    dueMs: (blocks) => (isRegular ? (newest() + blocks) * PERIOD_MS : undefined),
  });
  let batches = 0;
  return {
    cutOff,
    /** How much longer than usual the next rounds take. */
    delayMs: 0,
    now: () => nowMs,
    /** Payments come in at this moment, and their batch goes at its moment. Gives the block that it made. */
    pay: (sinceMs: number, count = 1): bigint => {
      nowMs = sinceMs;
      nowMs = Math.max(nowMs, cutOff.atMs(sinceMs, nowMs, count)!);
      return lab.round(count);
    },
    /** A round now, of as many of these payments as can be in time. */
    round: (count = 1): bigint => {
      const most = cutOff.begin(nowMs, count) ?? count;
      nowMs += lab.delayMs + roundMs + eachMs * Math.min(most, count);
      batches += 1;
      const id = numberToHex(batches, { size: 32 });
      cutOff.sent(id, Math.min(most, count), nowMs);
      const block = BigInt(Math.ceil((nowMs + cutOffMs) / PERIOD_MS) + heldUp);
      nowMs = Number(block) * PERIOD_MS + 1;
      cutOff.mined(id, block);
      return block;
    },
    fallBehind: (blocks: number): void => {
      behind = blocks;
    },
    holdUp: (blocks: number): void => {
      heldUp = blocks;
    },
    setRegular: (value: boolean): void => {
      isRegular = value;
    },
  };
}
let lab: ReturnType<typeof openLab>;

describe("createCutOff", () => {
  it("sends for one block all that comes in before its moment to send, and for the next block what comes later", () => {
    lab = openLab({ cutOffMs: 5, roundMs: 50 });
    const begin = lab.now();
    const atMs = lab.cutOff.atMs(begin, begin, 1)!;
    expect(atMs).to.be.within(begin + 1_700, begin + PERIOD_MS);
    expect(lab.cutOff.atMs(begin + 900, begin + 900, 1)).to.equal(atMs);
    expect(lab.cutOff.atMs(atMs + 40, atMs + 40, 1)).to.equal(atMs + PERIOD_MS);
    // A timer that fires a few milliseconds late still sends at once.
    expect(lab.cutOff.atMs(begin, atMs + 5, 1)).to.equal(atMs);
    expect(lab.cutOff.atMs(begin, atMs + 200, 1)).to.equal(atMs + PERIOD_MS);
  });

  it("sends later and later as long as no transaction misses its block, up to the latest that the node allows", () => {
    lab = openLab({ cutOffMs: 20, roundMs: 30 });
    const before = lab.cutOff.view().marginMs;
    for (let i = 0; i < 400; i += 1) lab.pay(lab.now() + 500);
    const { marginMs, inTime, late } = lab.cutOff.view();
    expect(marginMs).to.be.within(45, before - 1);
    expect(inTime + late).to.equal(400);
    expect(late).to.be.at.most(400 * 0.02);
  });

  it("sends earlier after a transaction that missed its block", () => {
    lab = openLab({ cutOffMs: 400, roundMs: 30 });
    const first = lab.cutOff.view().marginMs;
    lab.pay(lab.now() + 500);
    expect(lab.cutOff.view().late).to.equal(1);
    expect(lab.cutOff.view().marginMs).to.be.greaterThan(first);
    for (let i = 0; i < 50; i += 1) lab.pay(lab.now() + 500);
    const { late, marginMs } = lab.cutOff.view();
    expect(late).to.be.at.most(6);
    expect(marginMs).to.be.at.least(400);
  });

  it("allows for the time that a round takes, and adapts soon if rounds take longer", () => {
    lab = openLab({ cutOffMs: 5, roundMs: 500 });
    lab.pay(lab.now() + 500);
    for (let i = 0; i < 20; i += 1) lab.pay(lab.now() + 500);
    const { late, marginMs } = lab.cutOff.view();
    expect(late).to.be.at.most(2);
    expect(marginMs).to.be.within(500, 700);
  });

  it("learns nothing from transactions that were held up for several blocks", () => {
    lab = openLab({ cutOffMs: 20, roundMs: 30 });
    for (let i = 0; i < 20; i += 1) lab.pay(lab.now() + 500);
    const { marginMs } = lab.cutOff.view();
    lab.holdUp(2);
    for (let i = 0; i < 20; i += 1) lab.pay(lab.now() + 500);
    const after = lab.cutOff.view();
    expect(after).to.include({ inTime: 20, late: 20 });
    expect(after.marginMs).to.be.at.most(marginMs);
  });

  it("sends late again if sending earlier did not help, as with a node that is a block behind", () => {
    lab = openLab({ cutOffMs: 20, roundMs: 30 });
    const first = lab.cutOff.view().marginMs;
    lab.fallBehind(1);
    for (let i = 0; i < 60; i += 1) lab.pay(lab.now() + 500);
    const behind = lab.cutOff.view();
    expect(behind.late).to.be.at.most(10);
    expect(behind.marginMs).to.be.at.most(first);
    // Nor is it fooled once the node has caught up.
    lab.fallBehind(0);
    for (let i = 0; i < 20; i += 1) lab.pay(lab.now() + 500);
    const caughtUp = lab.cutOff.view();
    expect(caughtUp.late).to.be.at.most(behind.late + 2);
    expect(caughtUp.marginMs).to.be.at.most(first);
  });

  it("still learns the node's limit after that node was behind", () => {
    lab = openLab({ cutOffMs: 400, roundMs: 30 });
    lab.fallBehind(1);
    for (let i = 0; i < 60; i += 1) lab.pay(lab.now() + 500);
    lab.fallBehind(0);
    const before = lab.cutOff.view().late;
    for (let i = 0; i < 60; i += 1) lab.pay(lab.now() + 500);
    const { late, marginMs } = lab.cutOff.view();
    expect(late - before).to.be.at.most(6);
    expect(marginMs).to.be.within(400, 800);
  });

  it("begins earlier for more payments, as much as they take, so that a burst after lone payments is in time", () => {
    lab = openLab({ cutOffMs: 20, roundMs: 30, eachMs: 0.6 });
    for (let i = 0; i < 40; i += 1) lab.pay(lab.now() + 500);
    const quiet = lab.cutOff.view().marginMs;
    for (const count of [50, 200, 280]) lab.pay(lab.now() + 500, count);
    expect(lab.cutOff.view().late).to.equal(0);
    // A lone payment then waits no longer than before.
    lab.pay(lab.now() + 500);
    expect(lab.cutOff.view().marginMs).to.be.at.most(quiet + 10);
  });

  it("sends as many as are in time if more came than the rest of the time is enough for", () => {
    lab = openLab({ cutOffMs: 5, roundMs: 50, eachMs: 0.8 });
    for (const count of [1, 100, 200, 1, 100, 200]) lab.pay(lab.now() + 500, count);
    const begin = lab.now();
    const latestMs = lab.cutOff.atMs(begin, begin, 1)!;
    // A few have waited, and many more come when their moment is over, but not that of a few.
    const nowMs = latestMs - 80;
    expect(lab.cutOff.atMs(begin, nowMs, 250)).to.be.lessThan(nowMs);
    const most = lab.cutOff.begin(nowMs, 250)!;
    expect(most).to.be.within(60, 160);
  });

  it("begins no second round for a block", () => {
    lab = openLab({ cutOffMs: 5, roundMs: 50, eachMs: 0.8 });
    for (const count of [1, 100, 200]) lab.pay(lab.now() + 500, count);
    const begin = lab.now();
    const atMs = lab.cutOff.atMs(begin, begin, 250)!;
    const latestMs = lab.cutOff.atMs(begin, begin, 1)!;
    expect(lab.cutOff.begin(atMs, 250)).to.equal(undefined);
    // It was quicker than expected.
    lab.cutOff.sent(numberToHex(1_000, { size: 32 }), 250, atMs + 30);
    expect(lab.cutOff.atMs(atMs + 40, atMs + 40, 1)).to.be.greaterThan(latestMs + PERIOD_MS / 2);
  });

  it("takes no block for missed by its guard whose round took too long", () => {
    lab = openLab({ cutOffMs: 5, roundMs: 50 });
    for (let i = 0; i < 40; i += 1) lab.pay(lab.now() + 500);
    const before = lab.cutOff.view();
    lab.delayMs = 400;
    lab.pay(lab.now() + 500);
    lab.delayMs = 0;
    expect(lab.cutOff.view().late).to.equal(before.late + 1);
    for (let i = 0; i < 60; i += 1) lab.pay(lab.now() + 500);
    const { late, marginMs } = lab.cutOff.view();
    expect(late).to.equal(before.late + 1);
    expect(marginMs).to.be.at.most(before.marginMs + 5);
  });

  it("learns nothing from rounds that begin early", () => {
    lab = openLab({ cutOffMs: 20, roundMs: 30 });
    for (let i = 0; i < 50; i += 1) lab.round();
    expect(lab.cutOff.view()).to.include({ inTime: 0, late: 0 });
  });

  it("tells how much time is left until its moment to send", () => {
    lab = openLab({ cutOffMs: 5, roundMs: 50 });
    const begin = lab.now();
    const atMs = lab.cutOff.atMs(begin, begin, 1)!;
    expect(lab.cutOff.spareMs(begin, 1)).to.equal(atMs - begin);
    expect(lab.cutOff.spareMs(atMs, 1)).to.equal(0);
    expect(lab.cutOff.spareMs(atMs + 1, 1)).to.equal(PERIOD_MS - 1);
  });

  it("gives no moment to send if blocks come irregularly", () => {
    lab = openLab({ cutOffMs: 20, roundMs: 30 });
    lab.setRegular(false);
    expect(lab.cutOff.atMs(lab.now(), lab.now(), 1)).to.equal(undefined);
    expect(lab.cutOff.spareMs(lab.now(), 1)).to.equal(0);
    lab.round();
    expect(lab.cutOff.view()).to.deep.equal({ periodMs: undefined, marginMs: 0, inTime: 0, late: 0 });
  });
});
