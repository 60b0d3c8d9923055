import { expect } from "chai";
import type { Hex } from "viem";
import { connectChain } from "../../../../src/chain/client.ts";
import type { SettlementEngine } from "../../../../src/settlement/engine/types.ts";
import { type Anvil, startAnvil } from "../../../helpers/anvil.ts";
import { startFaultyNode } from "../../../helpers/chainLab.ts";
import { acceptAll, type EngineLab, openEngineLab, sleep, until } from "../../../helpers/engineLab.ts";
import { eachInLab } from "../../../helpers/engineSuite.ts";

/** Nothing is rebroadcast or replaced. */
const HELD = { rebroadcastAfterMs: 600_000, replaceAfterMs: 600_000 };

describe("createSettlementEngine: sending", () => {
  let anvil: Anvil;
  let lab: EngineLab;

  eachInLab(startAnvil, (...opened) => {
    [anvil, lab] = opened;
  });

  const pool = async (): Promise<number> => {
    const { pending, queued } = (await anvil.request("txpool_status")) as { pending: string; queued: string };
    return Number(pending) + Number(queued);
  };
  /** Waits until a payment's transaction has reached the node. */
  const submitted = async (id: number) => {
    await until(async () => (await lab.row(id)).state === "submitted");
    const { batchId } = await lab.row(id);
    const newest = (await lab.openBatches()).find((batch) => batch.id === batchId)?.attempts.at(-1);
    await handedOut(newest?.hash);
  };
  const handedOut = (hash: Hex | undefined) =>
    until(() => lab.said("handed out").some(({ fields }) => fields.hash === hash));
  /** Waits until the engine has noticed that the transactions are mined. */
  const settled = async (engine: SettlementEngine, id: number) => {
    const row = await engine.outcome(id);
    expect(row.state).to.equal("settled");
    if (row.evidence.kind !== "transfer") throw new Error("no transfer");
    return row.evidence;
  };

  it("keeps several batches in flight in the order of their txNonces, up to the cap, and the rest in the queue", async () => {
    const engine = await lab.start({ maxInFlight: 2, limits: { maxItems: 2 } });
    const rows = await acceptAll(engine, await lab.payments(6));
    await until(async () => (await pool()) === 2);
    await sleep(150);
    expect((await lab.openBatches()).map(({ txNonce }) => txNonce)).to.deep.equal([0, 1]);
    expect((await lab.journal.count()).queued).to.equal(2);
    await anvil.mine();
    await until(async () => (await lab.journal.count()).settled === 4);
    await until(async () => (await pool()) === 1);
    await anvil.mine();
    for (const { id } of rows) await settled(engine, id);
    expect(
      await lab.balanceOf(rows[0]!.work.kind === "authorization" ? rows[0]!.work.authorization.to : "0x"),
    ).to.equal(6015n);
  });

  it("counts what an earlier engine left in flight against the cap", async () => {
    const first = await lab.start({ maxInFlight: 2, limits: { maxItems: 1 } });
    await acceptAll(first, await lab.payments(3));
    await until(async () => (await pool()) === 2);
    await first.close();
    const second = await lab.start({ maxInFlight: 2, limits: { maxItems: 1 } });
    await sleep(200);
    expect((await lab.openBatches()).map(({ txNonce }) => txNonce)).to.deep.equal([0, 1]);
    await anvil.mine();
    await until(async () => (await lab.openBatches())[0]?.txNonce === 2 && (await pool()) === 1);
    await anvil.mine();
    await second.drain();
  });

  it("gives a txNonce back if signing fails", async () => {
    let failures = 2;
    const flaky: typeof lab.account = {
      ...lab.account,
      signTransaction: (async (...args: Parameters<typeof lab.account.signTransaction>) => {
        if (failures-- > 0) throw new Error("the signer is away");
        return lab.account.signTransaction(...args);
      }) as typeof lab.account.signTransaction,
    };
    const engine = await lab.start({}, { senders: [flaky] });
    const [row] = await acceptAll(engine, await lab.payments(1));
    await submitted(row!.id);
    expect((await lab.openBatches()).map(({ txNonce }) => txNonce)).to.deep.equal([0]);
    await anvil.mine();
    await settled(engine, row!.id);
  });

  it("starts at the chain's txNonce when the journal knows less, and at the journal's when the chain knows less", async () => {
    await lab.sendAs(lab.account.address, lab.payee(), "0x");
    await anvil.mine();
    const engine = await lab.start();
    const [first] = await acceptAll(engine, await lab.payments(1));
    await submitted(first!.id);
    // The node forgets it; the journal does not.
    await anvil.request("anvil_dropAllTransactions");
    const [second] = await acceptAll(engine, await lab.payments(1));
    await submitted(second!.id);
    expect((await lab.openBatches()).map(({ txNonce }) => txNonce)).to.deep.equal([1, 2]);
  });

  it("rebroadcasts a dropped transaction with the same bytes", async () => {
    const engine = await lab.start({ rebroadcastAfterMs: 60_000, replaceAfterMs: 600_000 });
    const [row] = await acceptAll(engine, await lab.payments(1));
    await submitted(row!.id);
    const [batch] = await lab.openBatches();
    const hash = batch!.attempts[0]!.hash;
    await until(async () => (await pool()) === 1);
    await anvil.request("anvil_dropTransaction", [hash]);
    expect(await pool()).to.equal(0);
    lab.clock.jump(60_000);
    await until(async () => (await pool()) === 1);
    await anvil.mine();
    expect((await settled(engine, row!.id)).transactionHash).to.equal(hash);
  });

  it("notices that a txNonce was used from outside, and queues the payments again on evidence at depth", async () => {
    const engine = await lab.start({ lossConfirmations: 3, ...HELD });
    const [row] = await acceptAll(engine, await lab.payments(1));
    await submitted(row!.id);
    await anvil.request("anvil_dropAllTransactions");
    const foreign = await lab.sendAs(lab.account.address, lab.payee(), "0x", {
      nonce: "0x0",
      maxFeePerGas: "0x174876e800",
      maxPriorityFeePerGas: "0x2540be400",
    });
    await anvil.mine();
    expect((await lab.receipt(foreign))?.status).to.equal("success");
    // At depth 1 and 2 nothing is certain: it is held, and not sent again.
    await sleep(150);
    expect((await lab.row(row!.id)).state).to.equal("submitted");
    await anvil.mine();
    await sleep(150);
    expect((await lab.row(row!.id)).state).to.equal("submitted");
    await anvil.mine();
    const step = await until(async () =>
      (await lab.journal.history(row!.id)).find(({ evidence }) => evidence.kind === "returned"),
    );
    expect(step.evidence).to.deep.equal({
      kind: "returned",
      why: "another transaction took the txNonce",
      transactionHash: foreign,
    });
    await until(async () => (await lab.openBatches())[0]?.txNonce === 1 && (await pool()) === 1);
    await anvil.mine();
    await settled(engine, row!.id);
  });

  it("fills a txNonce gap with a no-op", async () => {
    const engine = await lab.start();
    // A transaction from outside waits at 0, so that ours gets 1; then the outside one vanishes.
    await lab.sendAs(lab.account.address, lab.payee(), "0x", { nonce: "0x0" });
    const [row] = await acceptAll(engine, await lab.payments(1));
    const batch = await until(async () => (await lab.openBatches())[0]);
    expect(batch.txNonce).to.equal(1);
    await until(() => lab.said("handed out").length > 0);
    await anvil.request("anvil_dropAllTransactions");
    await until(() => lab.said("filling a txNonce gap").length > 0);
    await until(async () => (await pool()) === 2);
    await anvil.mine();
    await settled(engine, row!.id);
    expect(await lab.client.getTransactionCount({ address: lab.account.address })).to.equal(2);
  });

  it("pauses a sender that cannot pay, says so once, and continues when it is funded, with the same bytes", async () => {
    await lab.give(lab.account.address, 10n ** 9n);
    const engine = await lab.start({ replaceAfterMs: 600_000 });
    const [row] = await acceptAll(engine, await lab.payments(1));
    await until(() => engine.accounts()[0]?.paused === "low-balance");
    const [batch] = await lab.openBatches();
    await acceptAll(engine, await lab.payments(1));
    await sleep(400);
    expect(lab.said("cannot pay for gas")).to.have.length(1);
    expect(lab.said("cannot pay for gas")[0]).to.have.property("level", "error");
    expect(await lab.openBatches()).to.have.length(1);
    await lab.give(lab.account.address, 10n ** 18n);
    await until(async () => (await pool()) > 0);
    await anvil.mine();
    expect((await settled(engine, row!.id)).transactionHash).to.equal(batch!.attempts[0]!.hash);
    expect(engine.accounts()[0]?.paused).to.equal(undefined);
    await until(async () => (await pool()) > 0);
    await anvil.mine();
    await engine.drain();
  });

  it("sends from the other key while one cannot pay", async () => {
    const rich = await openEngineLab(anvil);
    await lab.give(lab.account.address, 0n);
    const engine = await lab.start(
      { minimumSenderBalanceWei: 10n ** 15n, limits: { maxItems: 1 } },
      { senders: [lab.account, rich.account] },
    );
    const rows = await acceptAll(engine, await lab.payments(3));
    await until(async () => (await pool()) === 3);
    await anvil.mine();
    for (const { id } of rows) await settled(engine, id);
    expect(engine.accounts().map(({ paused }) => paused)).to.deep.equal(["low-balance", undefined]);
    expect(await lab.client.getTransactionCount({ address: rich.account.address })).to.equal(3);
    await rich.close();
  });

  it("assumes that bytes were sent when the answer is lost, and never signs again because of that", async () => {
    let lost = 0;
    const faulty = await startFaultyNode(anvil.rpcUrl, ({ method, params }) => {
      if (method !== "eth_sendRawTransaction") return "pass";
      lost += 1;
      void anvil.request("eth_sendRawTransaction", [...params]).catch(() => undefined);
      return "hang-up";
    });
    lab.later(faulty.stop);
    const client = await connectChain(faulty.rpcUrl, { transport: { retryCount: 0 } });
    const engine = await lab.start({ replaceAfterMs: 600_000 }, { chain: { client } });
    const [row] = await acceptAll(engine, await lab.payments(1));
    await until(async () => (await pool()) === 1);
    await until(async () => (await lab.row(row!.id)).state === "submitted");
    await anvil.mine();
    await settled(engine, row!.id);
    expect(lost >= 1).to.equal(true);
    expect(
      (await lab.journal.batches({ chainId: 84532, sender: lab.account.address, states: ["mined", "final"] }))[0]
        ?.attempts,
    ).to.have.length(1);
  });

  it("broadcasts to every node, and a dead one delays nothing", async () => {
    const other = await startAnvil();
    const dead = await startFaultyNode(anvil.rpcUrl, ({ method }) => (method === "eth_chainId" ? "pass" : "hang"));
    lab.later(async () => void (await Promise.all([other.stop(), dead.stop()])));
    const nodes = await Promise.all([dead.rpcUrl, other.rpcUrl].map((url) => connectChain(url)));
    // The second node must know the sender's ether for its mempool to take the bytes.
    await other.request("anvil_setBalance", [lab.account.address, "0x56bc75e2d63100000"]);
    const engine = await lab.start({}, { chain: { client: lab.client, nodes } });
    const [row] = await acceptAll(engine, await lab.payments(1));
    await until(async () => (await pool()) === 1);
    await until(async () => Number(((await other.request("txpool_status")) as { pending: string }).pending) === 1);
    await anvil.mine();
    await settled(engine, row!.id);
  });

  it("continues to read through the next URL when the first node dies", async () => {
    let isDead = false;
    const first = await startFaultyNode(anvil.rpcUrl, () => (isDead ? "hang-up" : "pass"));
    lab.later(first.stop);
    const client = await connectChain([first.rpcUrl, anvil.rpcUrl], { transport: { retryCount: 0 } });
    const engine = await lab.start({}, { chain: { client } });
    isDead = true;
    const [row] = await acceptAll(engine, await lab.payments(1));
    await until(async () => (await pool()) === 1);
    await anvil.mine();
    await settled(engine, row!.id);
  });

  it("rebroadcasts the same signed bytes after a restart, also under a changed fee policy", async () => {
    const first = await lab.start(HELD);
    const rows = await acceptAll(first, await lab.payments(2));
    await submitted(rows[0]!.id);
    const [batch] = await lab.openBatches();
    await first.close();
    await anvil.request("anvil_dropAllTransactions");
    const fees = { floorWei: 5_000_000_000n, ceilingWei: 10n ** 12n, bumpPermille: 500n };
    const second = await lab.start({ fees, replaceAfterMs: 600_000 });
    await until(async () => (await pool()) === 1);
    await anvil.mine();
    for (const { id } of rows) {
      expect((await settled(second, id)).transactionHash).to.equal(batch!.attempts[0]!.hash);
    }
  });

  it("broadcasts a batch that was stored and never sent", async () => {
    const sent: Hex[] = [];
    const mute = await startFaultyNode(anvil.rpcUrl, ({ method }) =>
      method === "eth_sendRawTransaction" ? "hang" : "pass",
    );
    lab.later(mute.stop);
    const client = await connectChain(mute.rpcUrl, { transport: { retryCount: 0 } });
    // The process dies between storing and sending: the journal refuses to note a broadcast.
    const journal = { ...lab.journal, markBroadcast: async () => new Promise<never>(() => undefined) };
    const first = await lab.start(HELD, { chain: { client }, journal });
    const [row] = await acceptAll(first, await lab.payments(1));
    await until(async () => (await lab.row(row!.id)).state === "batched");
    const [batch] = await lab.openBatches();
    expect(batch!.attempts[0]!.broadcastAtMs).to.equal(undefined);
    sent.push(batch!.attempts[0]!.hash);
    await first.close();
    const second = await lab.start({ replaceAfterMs: 600_000 });
    await until(async () => (await pool()) === 1);
    await anvil.mine();
    expect((await settled(second, row!.id)).transactionHash).to.equal(sent[0]);
  });

  it("holds everything while no block comes, and settles when one does", async () => {
    const engine = await lab.start({ replaceAfterMs: 60_000 });
    const rows = await acceptAll(engine, await lab.payments(3));
    await submitted(rows[0]!.id);
    await sleep(600);
    expect((await lab.journal.count()).submitted).to.equal(3);
    await anvil.mine();
    for (const { id } of rows) await settled(engine, id);
  });

  it("reports an outcome at the confirmation depth, and not one block before", async () => {
    const engine = await lab.start({ confirmations: 3 });
    const [row] = await acceptAll(engine, await lab.payments(1));
    await submitted(row!.id);
    await until(async () => (await pool()) === 1);
    await anvil.mine(2);
    await sleep(150);
    expect((await lab.row(row!.id)).state).to.equal("submitted");
    await anvil.mine();
    await settled(engine, row!.id);
  });

  it("aborts safely on nonce-too-low: no further signature, and the mined transaction decides", async () => {
    const faulty = await startFaultyNode(anvil.rpcUrl, ({ method, params }) => {
      if (method !== "eth_sendRawTransaction") return "pass";
      void anvil.request("eth_sendRawTransaction", [...params]).catch(() => undefined);
      return { error: { code: -32000, message: "nonce too low" } };
    });
    lab.later(faulty.stop);
    const client = await connectChain(faulty.rpcUrl, { transport: { retryCount: 0 } });
    const engine = await lab.start({ rebroadcastAfterMs: 40, replaceAfterMs: 80 }, { chain: { client } });
    const [row] = await acceptAll(engine, await lab.payments(1));
    await until(() => lab.said("handed out").length >= 5);
    expect((await lab.openBatches())[0]?.attempts).to.have.length(1);
    await anvil.mine();
    await settled(engine, row!.id);
  });

  it("continues with the other key while the signer of one is down", async () => {
    const other = await openEngineLab(anvil);
    lab.later(other.close);
    const away: typeof lab.account = {
      ...lab.account,
      signTransaction: (async () => {
        throw new Error("the signer is away");
      }) as never,
    };
    const engine = await lab.start({ limits: { maxItems: 1 } }, { senders: [away, other.account] });
    const rows = await acceptAll(engine, await lab.payments(3));
    await until(async () => (await pool()) === 3);
    await anvil.mine();
    for (const { id } of rows) await settled(engine, id);
    expect(engine.accounts()[1]?.paused).to.equal(undefined);
    expect(lab.said("nothing was signed")).to.have.length(1);
  });
});
