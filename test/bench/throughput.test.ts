import { expect } from "chai";
import { openMint } from "../../bench/lib/payments.ts";
import { settleOneByOne } from "../../bench/lib/peers.ts";
import { setBalances } from "../../bench/lib/token.ts";
import { settleWithEngine } from "../../src/settlement/engineJob.ts";
import { openStore } from "../../src/settlement/store/index.ts";
import { type ChainLab, openChainLab } from "../helpers/chainLab.ts";

const PAYMENTS = 300;
const SINGLES = 40;
/** A job settles at least as many times the payments in the same time as one transaction for each. */
const LEAST_RATIO = 1.5;

describe("throughput", () => {
  let lab: ChainLab;

  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());

  it(`of a job is at least ${LEAST_RATIO} times that of one transaction per payment`, async () => {
    const mint = openMint(1, "throughput");
    const shape = { count: PAYMENTS + SINGLES, payers: 60, payees: 5 };
    await setBalances(lab.chain.request, mint.parties(shape), 10n ** 12n);
    const payments = await mint.payments(shape);
    const job = payments.slice(SINGLES).map((authorization, index) => ({ line: index + 1, authorization }));

    const single = await timed(SINGLES, async () => {
      const { settled } = await settleOneByOne(lab.chain.rpcUrl, lab.keyOf(7).privateKey, payments.slice(0, SINGLES));
      return settled;
    });
    const store = await openStore(":memory:");
    const batched = await timed(PAYMENTS, async () => {
      const report = await settleWithEngine(lab.client, job, { store, senders: [lab.account] });
      return report.results.filter(({ outcome }) => outcome.status === "settled").length;
    });
    await store.close();
    const message = `${Math.round(batched)} payments/s by a job, ${Math.round(single)} by one transaction each`;
    expect(batched / single, message).to.be.at.least(LEAST_RATIO);
  });
});

/** Payments settled in a second. */
async function timed(count: number, settle: () => Promise<number>): Promise<number> {
  const startedAt = performance.now();
  expect(await settle()).to.equal(count);
  return count / ((performance.now() - startedAt) / 1000);
}
