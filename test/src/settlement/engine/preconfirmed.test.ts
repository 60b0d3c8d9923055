import { expect } from "chai";
import type { PaymentRow } from "../../../../src/journal/index.ts";
import { type LocalChain, startLocalChain } from "../../../../src/local/index.ts";
import { acceptAll, type EngineLab, openEngineLab, until } from "../../../helpers/engineLab.ts";

/** The block that is being built has the time of its planned end, an hour ahead. */
const LONG = { validForSeconds: 100_000 };

describe("createSettlementEngine: preconfirmations", () => {
  let chain: LocalChain;
  let lab: EngineLab;
  afterEach(async () => {
    await lab.close();
    await chain.stop();
  });
  /** Blocks come only when a test asks for one. */
  async function start(takenBackShare = 0): Promise<void> {
    chain = await startLocalChain({ blockTimeSeconds: 3_600, preconfirmMs: 20, takenBackShare });
    lab = await openEngineLab(chain);
  }

  const stepsOf = async ({ id }: Pick<PaymentRow, "id">): Promise<string[]> =>
    (await lab.journal.history(id)).map(({ to, evidence }) => `${to} ${evidence.kind}`);

  it("tells of a payment before its block, to those for whom that is enough", async () => {
    await start();
    const engine = await lab.start({ preconfirmations: true });
    const to = lab.payee();
    const rows = await acceptAll(engine, await lab.payments(3, { to, ...LONG }));
    const head = await lab.client.getBlockNumber();
    for (const { id } of rows) {
      const { state, evidence } = await engine.outcome(id, { enough: "preconfirmed" });
      expect(state).to.equal("submitted");
      expect(evidence).to.include({ kind: "preconfirmation", blockNumber: head + 1n, level: "preconfirmed" });
    }
    expect(await lab.client.getBlockNumber()).to.equal(head);
    const decided = rows.map(({ id }) => engine.outcome(id));
    await chain.request("evm_mine");
    for (const { state, evidence } of await Promise.all(decided)) {
      expect(state).to.equal("settled");
      expect(evidence).to.include({ kind: "transfer", blockNumber: head + 1n, level: "included" });
    }
    expect(await stepsOf(rows[0]!)).to.deep.equal([
      ...["queued accepted", "batched batch", "submitted batch", "submitted preconfirmation", "settled transfer"],
    ]);
    expect(engine.preconfirmations()).to.deep.equal({ seen: 3, takenBack: 0, toldTakenBack: 0 });
    expect(await lab.balanceOf(to)).to.equal(3_003n);
  });

  it("sends the same bytes again if a preconfirmation is taken back, and settles each payment once", async () => {
    // Each is taken back once.
    await start(1);
    const engine = await lab.start({ preconfirmations: true, maxInFlight: 16, replaceAfterMs: 600_000 });
    const to = lab.payee();
    const values = Array.from({ length: 8 }, (_, i) => 1_000n + BigInt(i));
    const rows: PaymentRow[] = [];
    // Each in a transaction of its own.
    for (const value of values) {
      const [row] = await acceptAll(engine, await lab.payments(1, { to, value, ...LONG }));
      await engine.outcome(row!.id, { enough: "preconfirmed" });
      rows.push(row!);
    }
    await until(async () => {
      await chain.request("evm_mine");
      const states = await Promise.all(rows.map(async ({ id }) => (await lab.row(id)).state));
      return states.every((state) => state === "settled");
    }, "all are settled");
    const histories = await Promise.all(rows.map(stepsOf));
    for (const { id } of rows) {
      const settled = (await lab.journal.history(id)).filter(({ from, to }) => to === "settled" && from !== to);
      expect(settled).to.have.length(1);
    }
    const taken = histories.filter((steps) => steps.includes("submitted preconfirmation-lost"));
    expect(taken).to.have.length(values.length);
    expect(engine.preconfirmations()).to.include({ toldTakenBack: 0 });
    // One transaction each, whatever became of what was said of it.
    const batches = await lab.journal.batches({ chainId: 84532, states: ["mined", "final"] });
    expect(batches.map(({ attempts }) => attempts.length)).to.deep.equal(values.map(() => 1));
    expect(await lab.balanceOf(to)).to.equal(values.reduce((sum, value) => sum + value, 0n));
    expect(lab.said("preconfirmations were taken back")).to.have.length.above(0);
  });

  it("looks at none unless it is told to", async () => {
    await start();
    const engine = await lab.start();
    const [row] = await acceptAll(engine, await lab.payments(1, LONG));
    await until(async () => (await lab.openBatches()).length === 1);
    const [batch] = await lab.openBatches();
    await until(async () => (await lab.receipt(batch!.attempts[0]!.hash)) !== undefined, "the node has the receipt");
    await lab.clock.sleep(500);
    expect((await lab.row(row!.id)).evidence.kind).to.equal("batch");
    expect(engine.preconfirmations()).to.equal(undefined);
    await chain.request("evm_mine");
    expect((await engine.outcome(row!.id)).state).to.equal("settled");
  });
});
