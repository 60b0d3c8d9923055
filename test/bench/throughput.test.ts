import { expect } from "chai";
import { openMint } from "../../bench/lib/payments.ts";
import { settleOneByOne } from "../../bench/lib/peers.ts";
import { setBalances } from "../../bench/lib/token.ts";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import { settlePayments } from "../../src/settlement/job/job.ts";
import { type ChainLab, openChainLab } from "../helpers/chainLab.ts";

/** Payments settled before the clock starts: the first ones compile code. */
const WARM_UP = 30;
const PAYMENTS = 700;
const SINGLES = 60;
/** Other work on the machine may slow down one round, but not every round. */
const ROUNDS = 3;
/**
 * How many times the payments a job settles in the same processor time (the chain's, which is in this process, included)
 * as one transaction for each: whatever else runs on the machine counts in neither.
 */
const LEAST_RATIO = 3;

describe("throughput", () => {
  let lab: ChainLab;

  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());

  it("of a job is a multiple of that of one transaction per payment", async () => {
    const mint = openMint(1, "throughput");
    const shape = { count: ROUNDS * (PAYMENTS + SINGLES) + 2 * WARM_UP, payers: 70, payees: 7 };
    await setBalances(lab.chain.request, mint.parties(shape), 10n ** 12n);
    const payments = mint.payments(shape);
    const next = (count: number) => payments.splice(0, count);

    await byJob(next(WARM_UP));
    await oneByOne(next(WARM_UP));
    let slow = "";
    for (let round = 0; round < ROUNDS; round += 1) {
      const single = await oneByOne(next(SINGLES));
      const job = await byJob(next(PAYMENTS));
      if (job / single >= LEAST_RATIO) return;
      slow = `${Math.round(job)} by a job, ${Math.round(single)} one by one`;
    }
    expect(slow, "payments per second of the processor").to.equal("");
  });

  function oneByOne(payments: readonly SignedAuthorization[]): Promise<number> {
    const key = lab.keyOf(7).privateKey;
    return timed(payments.length, async () => (await settleOneByOne(lab.chain.rpcUrl, key, payments)).settled);
  }

  function byJob(payments: readonly SignedAuthorization[]): Promise<number> {
    const job = payments.map((authorization, index) => ({ line: index + 1, authorization }));
    return timed(payments.length, async () => {
      const { results } = await settlePayments(lab.client, { payments: job, senders: [lab.account] });
      return results.filter(({ outcome }) => outcome.status === "settled").length;
    });
  }
});

/** How many payments were settled in a second of the processor. */
async function timed(count: number, settle: () => Promise<number>): Promise<number> {
  const before = process.cpuUsage();
  expect(await settle()).to.equal(count);
  const { user, system } = process.cpuUsage(before);
  return (count * 1e6) / (user + system);
}
