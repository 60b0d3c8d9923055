import { expect } from "chai";
import { type Clock, systemClock } from "../../../../src/clock.ts";
import { type Journal, openJournal, settlePayments } from "../../../../src/settlement/index.ts";
import { LOOK_MS } from "../../../../src/settlement/job/ledger.ts";
import { type ChainLab, freshAddress, openChainLab } from "../../../helpers/chainLab.ts";

describe("settlePayments with more payments than it may have open", () => {
  let lab: ChainLab;
  let journal: Journal;

  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());
  beforeEach(async () => {
    journal = await openJournal(":memory:");
  });
  afterEach(() => journal.close());

  it("accepts no more of them while open payments are being decided", async () => {
    const payee = freshAddress(7_100);
    const payments = await lab.pay(1_100, payee);
    const open: number[] = [];
    const accept: Journal["accept"] = async (...args) => {
      const { queued = 0, batched = 0, submitted = 0 } = await journal.count();
      open.push(queued + batched + submitted);
      return journal.accept(...args);
    };
    const { results } = await settlePayments(lab.client, {
      payments,
      senders: [lab.account],
      journal: { ...journal, accept },
      maxOpen: 50,
      pace: { fullBatch: 50, lingerMs: 50 },
    });
    expect(open).to.have.lengthOf(3);
    expect(Math.max(...open)).to.be.at.most(50);
    expect(results.every(({ outcome }) => outcome.status === "settled")).to.equal(true);
    expect(await lab.balanceOf(payee)).to.equal(
      payments.reduce((sum, { authorization }) => sum + authorization.value, 0n),
    );
  });

  it("accepts all if nothing that is open is decided: it waits once, not after each part", async () => {
    const payments = await lab.pay(1_600, freshAddress(7_101));
    let [aheadMs, pauses] = [0, 0];
    const clock: Clock = {
      now: () => Date.now() + aheadMs,
      sleep: async (ms, signal) => {
        if (ms === LOOK_MS) {
          pauses += 1;
          aheadMs += 1_000;
        }
        await systemClock.sleep(ms, signal);
      },
    };
    const pausesBefore: number[] = [];
    const accept: Journal["accept"] = (...args) => {
      pausesBefore.push(pauses);
      return journal.accept(...args);
    };
    // No batch is full, so that nothing is sent before everything is accepted. The engine pauses for other times.
    await settlePayments(lab.client, {
      payments,
      senders: [lab.account],
      journal: { ...journal, accept },
      maxOpen: 50,
      clock,
      pace: { pollMs: LOOK_MS + 1 },
    });
    const [first, second = 0, ...others] = pausesBefore;
    expect([first, second > 0]).to.deep.equal([0, true]);
    expect(others).to.deep.equal([second, second]);
  });
});
