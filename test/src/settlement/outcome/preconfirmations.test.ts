import { expect } from "chai";
import type { BatchRow } from "../../../../src/journal/ports/batches.ts";
import type { PaymentRow } from "../../../../src/journal/ports/payments.ts";
import { type LocalChain, startLocalChain } from "../../../../src/local/index.ts";
import { createPreconfirmations, type Preconfirmations } from "../../../../src/settlement/outcome/preconfirmations.ts";
import type { MinedAttempt } from "../../../../src/settlement/outcome/receipts/observe.ts";
import { acceptAll, type EngineLab, until } from "../../../helpers/engineLab.ts";
import { eachInLab } from "../../../helpers/engineSuite.ts";

describe("createPreconfirmations", () => {
  let chain: LocalChain;
  let lab: EngineLab;
  eachInLab(startLocalChain, (node, opened) => {
    chain = node as LocalChain;
    lab = opened;
  });

  /** An open batch of three payments, with its receipt as a block would have it that is not there (yet). */
  async function openBatch(): Promise<{ batch: BatchRow; found: MinedAttempt; head: bigint; rows: PaymentRow[] }> {
    await chain.request("evm_setAutomine", [false]);
    const engine = await lab.start({ rebroadcastAfterMs: 600_000, replaceAfterMs: 600_000 });
    const rows = await acceptAll(engine, await lab.payments(3));
    engine.flush();
    await until(async () => (await lab.row(rows[2]!.id)).state === "submitted");
    await engine.close({ finishWithinMs: 0 });
    const [batch] = await lab.openBatches();
    const head = await lab.client.getBlockNumber();
    const found = await foreseen(batch!);
    return { batch: batch!, found, head, rows };
  }

  /** The receipt that the batch gets if a block is mined now. The block is taken back. */
  async function foreseen({ attempts }: BatchRow): Promise<MinedAttempt> {
    const attempt = attempts.at(-1)!;
    const snapshot = await chain.request("evm_snapshot");
    await chain.request("evm_mine");
    const receipt = await lab.receipt(attempt.hash);
    await chain.request("evm_revert", [snapshot]);
    if (receipt === undefined) throw new Error("the transaction is not in the block");
    return { attempt, receipt, depth: 0 };
  }

  function follow(): Preconfirmations {
    const preconfirmations: Preconfirmations = createPreconfirmations({
      ...{ journal: lab.journal, clock: lab.clock },
      logger: { debug: note, info: note, warn: note, error: note },
      policy: { retryRefused: false },
      pace: { retryRefusedAfterMs: 100 },
      apply: async (transitions) => {
        const moved = await lab.journal.transition(transitions, lab.clock.now());
        for (const row of moved) preconfirmations.note(row);
        return moved;
      },
    });
    return preconfirmations;
  }
  let said: string[] = [];
  const note = (message: string): void => void said.push(message);
  beforeEach(() => {
    said = [];
  });

  const kindsOf = async ({ id }: PaymentRow): Promise<string[]> =>
    (await lab.journal.history(id)).map(({ to, evidence }) => `${to} ${evidence.kind}`);

  it("notes once with each payment what the sequencer says, and leaves its state alone", async () => {
    const { batch, found, head, rows } = await openBatch();
    const preconfirmations = follow();
    expect(await preconfirmations.see(batch, undefined, head)).to.equal("none");
    for (let i = 0; i < 3; i += 1) expect(await preconfirmations.see(batch, found, head)).to.equal("preconfirmed");
    const logs = new Set<number>();
    for (const row of rows) {
      const { state, evidence } = await lab.row(row.id);
      expect(state).to.equal("submitted");
      if (evidence.kind !== "preconfirmation") throw new Error(evidence.kind);
      expect(evidence).to.include({
        ...{ transactionHash: found.attempt.hash, blockNumber: head + 1n, level: "preconfirmed" },
      });
      logs.add(evidence.logIndex);
      expect((await kindsOf(row)).filter((one) => one === "submitted preconfirmation")).to.have.length(1);
    }
    expect(logs.size).to.equal(3);
    expect(preconfirmations.view()).to.deep.equal({ seen: 3, takenBack: 0, toldTakenBack: 0 });
  });

  it("counts one as taken back after two looks without it, and again if it is there again", async () => {
    const { batch, found, head, rows } = await openBatch();
    const preconfirmations = follow();
    await preconfirmations.see(batch, found, head);
    const told = await lab.row(rows[0]!.id);
    const by = { bringer: undefined, again: false, on: told.evidence };
    expect(await lab.journal.consume(told.id, lab.clock.now(), by)).to.equal(true);
    // One answer without it may be another node's.
    expect(await preconfirmations.see(batch, undefined, head)).to.equal("preconfirmed");
    expect(await preconfirmations.see(batch, found, head)).to.equal("preconfirmed");
    expect(await preconfirmations.see(batch, undefined, head)).to.equal("preconfirmed");
    expect(await preconfirmations.see(batch, undefined, head + 1n)).to.equal("taken-back");
    for (const row of rows) {
      const { state, evidence } = await lab.row(row.id);
      expect([state, evidence.kind]).to.deep.equal(["submitted", "preconfirmation-lost"]);
    }
    expect(preconfirmations.view()).to.deep.equal({ seen: 3, takenBack: 3, toldTakenBack: 1 });
    expect(said).to.deep.equal(["preconfirmations were taken back"]);
    expect(await preconfirmations.see(batch, undefined, head + 1n)).to.equal("none");
    await preconfirmations.see(batch, found, head);
    expect(preconfirmations.view()).to.include({ seen: 6, takenBack: 3 });
    expect((await kindsOf(rows[0]!)).slice(-3)).to.deep.equal([
      "submitted preconfirmation",
      "submitted preconfirmation-lost",
      "submitted preconfirmation",
    ]);
  });

  it("knows after a restart what was said before it, and that it is taken back", async () => {
    const { batch, found, head, rows } = await openBatch();
    await follow().see(batch, found, head);
    const after = follow();
    expect(await after.see(batch, undefined, head)).to.equal("preconfirmed");
    expect(await after.see(batch, undefined, head)).to.equal("taken-back");
    expect((await lab.row(rows[1]!.id)).evidence.kind).to.equal("preconfirmation-lost");
    expect(after.view()).to.deep.equal({ seen: 0, takenBack: 3, toldTakenBack: 0 });
  });

  it("takes the word for another block for another word", async () => {
    const { batch, found, head, rows } = await openBatch();
    const preconfirmations = follow();
    await preconfirmations.see(batch, found, head);
    const later = { ...found, receipt: { ...found.receipt, blockNumber: found.receipt.blockNumber + 1n } };
    expect(await preconfirmations.see(batch, later, head + 1n)).to.equal("preconfirmed");
    expect((await kindsOf(rows[2]!)).slice(-2)).to.deep.equal([
      "submitted preconfirmation-lost",
      "submitted preconfirmation",
    ]);
    expect((await lab.row(rows[2]!.id)).evidence).to.include({ blockNumber: head + 2n });
  });

  it("says nothing of a payment that the preconfirmed transaction does not settle", async () => {
    const { batch, found, head, rows } = await openBatch();
    const { logs } = found.receipt;
    // Without the logs of the first payment: AuthorizationUsed, Transfer.
    const [used] = logs.filter(({ topics }) => topics.length === 3);
    const without = logs.filter((log) => log !== used);
    await follow().see(batch, { ...found, receipt: { ...found.receipt, logs: without } }, head);
    const kinds = await Promise.all(rows.map(async ({ id }) => (await lab.row(id)).evidence.kind));
    expect(kinds.filter((kind) => kind === "preconfirmation")).to.have.length(2);
  });

  it("says aloud that a payment did not settle whose success was told", async () => {
    const { batch, found, head, rows } = await openBatch();
    const preconfirmations = follow();
    await preconfirmations.see(batch, found, head);
    const [told, untold] = [await lab.row(rows[0]!.id), await lab.row(rows[1]!.id)];
    await lab.journal.consume(told.id, 1, { bringer: undefined, again: false, on: told.evidence });
    const evidence = { kind: "returned", why: "another transaction", transactionHash: undefined } as const;
    for (const to of ["queued", "expired"] as const) {
      const moved = await lab.journal.transition(
        [told, untold].map(({ id }) => ({ paymentId: id, from: ["submitted", "queued"] as const, to, evidence })),
        lab.clock.now(),
      );
      for (const row of moved) preconfirmations.note(row);
    }
    expect(said).to.deep.equal(["a payment did not settle whose success was told when it was preconfirmed"]);
    expect(preconfirmations.view()).to.deep.equal({ seen: 3, takenBack: 2, toldTakenBack: 1 });
  });

  it("counts one as taken back that another block than the named one holds", async () => {
    const { batch, found, head, rows } = await openBatch();
    const preconfirmations = follow();
    await preconfirmations.see(batch, found, head);
    const mined = { ...found, depth: 1, receipt: { ...found.receipt, blockNumber: head + 2n } };
    expect(await preconfirmations.see(batch, mined, head + 2n)).to.equal("none");
    expect(preconfirmations.view()).to.include({ seen: 3, takenBack: 3 });
    expect((await lab.row(rows[0]!.id)).evidence.kind).to.equal("preconfirmation-lost");
  });

  it("leaves what is mined to its block", async () => {
    const { batch, found, head, rows } = await openBatch();
    const preconfirmations = follow();
    expect(await preconfirmations.see(batch, { ...found, depth: 1 }, head + 1n)).to.equal("none");
    expect((await lab.row(rows[0]!.id)).evidence.kind).to.equal("batch");
  });
});
