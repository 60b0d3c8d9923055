import { expect } from "chai";
import type { Hex } from "viem";
import { connectChain } from "../../../../src/chain/client.ts";
import { encodeTransfer } from "../../../../src/chain/preflight.ts";
import type { SettlementEngine } from "../../../../src/settlement/engine.ts";
import { type Anvil, startAnvil } from "../../../helpers/anvil.ts";
import { startFaultyNode } from "../../../helpers/chainLab.ts";
import { acceptAll, type EngineLab, openEngineLab, sleep, until } from "../../../helpers/engineLab.ts";

describe("createSettlementEngine: sending", () => {
  let anvil: Anvil;
  let lab: EngineLab;

  before(async () => {
    anvil = await startAnvil();
  });
  after(() => anvil.stop());
  beforeEach(async () => {
    lab = await openEngineLab(anvil);
  });
  afterEach(async () => {
    await lab.close();
    await anvil.request("anvil_dropAllTransactions");
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
    expect((await lab.store.count()).queued).to.equal(2);
    await anvil.mine();
    await until(async () => (await lab.store.count()).settled === 4);
    await until(async () => (await pool()) === 1);
    await anvil.mine();
    for (const { id } of rows) await settled(engine, id);
    expect(
      await lab.balanceOf(rows[0]!.work.kind === "authorization" ? rows[0]!.work.authorization.to : "0x"),
    ).to.equal(6015n);
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

  it("starts at the chain's txNonce when the journal knows less, and at the journal's when the chain does", async () => {
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
    const engine = await lab.start();
    const [row] = await acceptAll(engine, await lab.payments(1));
    await submitted(row!.id);
    const [batch] = await lab.openBatches();
    const hash = batch!.attempts[0]!.hash;
    await until(async () => (await pool()) === 1);
    await anvil.request("anvil_dropTransaction", [hash]);
    expect(await pool()).to.equal(0);
    await until(async () => (await pool()) === 1);
    await anvil.mine();
    expect((await settled(engine, row!.id)).transactionHash).to.equal(hash);
  });

  it("replaces a transaction that stays, 12.5 % dearer in both fields, under the same txNonce and batch id", async () => {
    const engine = await lab.start();
    const [row] = await acceptAll(engine, await lab.payments(1));
    const batch = await until(async () => {
      const [open] = await lab.openBatches();
      return (open?.attempts.length ?? 0) > 1 ? open : undefined;
    });
    const [first, second] = batch.attempts;
    expect(second!.maxFeePerGas * 1000n >= first!.maxFeePerGas * 1125n).to.equal(true);
    expect(second!.maxPriorityFeePerGas * 1000n >= first!.maxPriorityFeePerGas * 1125n).to.equal(true);
    await handedOut(second!.hash);
    expect(await pool()).to.equal(1);
    await anvil.mine();
    const { transactionHash } = await settled(engine, row!.id);
    expect(batch.attempts.map(({ hash }) => hash)).to.include(transactionHash);
    expect(await lab.store.lastTxNonce(84532, lab.account.address)).to.equal(0);
  });

  it("only sends the same bytes again at the fee ceiling", async () => {
    const engine = await lab.start({ fees: { floorWei: 1n, ceilingWei: 20_000_000n, bumpPermille: 125n } });
    const [row] = await acceptAll(engine, await lab.payments(1));
    await until(() => lab.said("ceiling leaves no room").length > 0);
    const handedOut = lab.said("handed out").length;
    await until(() => lab.said("handed out").length > handedOut);
    const [batch] = await lab.openBatches();
    expect(batch!.attempts.length <= 6).to.equal(true);
    expect(batch!.attempts.every(({ maxFeePerGas }) => maxFeePerGas <= 20_000_000n)).to.equal(true);
    expect(lab.said("ceiling leaves no room").length <= 3).to.equal(true);
    await anvil.mine();
    await settled(engine, row!.id);
  });

  it("drops from a replacement what was settled elsewhere meanwhile, and finds out by whom", async () => {
    const engine = await lab.start({ rebroadcastAfterMs: 60_000 });
    const authorizations = await lab.payments(3);
    const rows = await acceptAll(engine, authorizations);
    await submitted(rows[0]!.id);
    const [batch] = await lab.openBatches();
    expect(batch!.attempts[0]!.paymentIds).to.have.length(3);
    await anvil.request("anvil_dropAllTransactions");
    // Somebody else settles the second one.
    const elsewhere = await directTransfer(authorizations[1]!);
    await anvil.mine();
    expect((await lab.receipt(elsewhere))?.status).to.equal("success");
    const replaced = await until(async () => {
      const [open] = await lab.openBatches();
      const newest = open?.attempts.at(-1);
      return newest?.paymentIds.length === 2 ? open : undefined;
    });
    expect(replaced.id).to.equal(batch!.id);
    expect(replaced.txNonce).to.equal(batch!.txNonce);
    expect(replaced.attempts.at(-1)!.paymentIds).to.have.members([rows[0]!.id, rows[2]!.id]);
    // It stays with the batch: the first attempt may still be mined.
    expect((await lab.row(rows[1]!.id)).state).to.equal("submitted");
    await until(async () =>
      lab.said("handed out").some(({ fields }) => fields.hash === replaced.attempts.at(-1)!.hash),
    );
    await anvil.mine();
    await settled(engine, rows[0]!.id);
    await settled(engine, rows[2]!.id);
    await until(async () => (await lab.row(rows[1]!.id)).state === "queued");
    await anvil.mine(3);
    const other = await engine.outcome(rows[1]!.id);
    expect(other.state).to.equal("settled-elsewhere");
    expect(other.evidence).to.include({ kind: "nonce-use", use: "settled", transactionHash: elsewhere });
  });

  it("spends the txNonce on a no-op when everything was settled elsewhere", async () => {
    const engine = await lab.start({ rebroadcastAfterMs: 60_000 });
    const [authorization] = await lab.payments(1);
    const [row] = await acceptAll(engine, [authorization!]);
    await submitted(row!.id);
    await anvil.request("anvil_dropAllTransactions");
    await directTransfer(authorization!);
    await anvil.mine();
    const noop = await until(async () => (await lab.openBatches())[0]?.attempts.find(({ kind }) => kind === "noop"));
    expect(noop.paymentIds).to.deep.equal([]);
    await handedOut(noop.hash);
    await anvil.mine(4);
    expect((await engine.outcome(row!.id)).state).to.equal("settled-elsewhere");
    expect(await lab.client.getTransactionCount({ address: lab.account.address })).to.equal(1);
  });

  it("reads outcomes from an older attempt when that is the one that is mined", async () => {
    const engine = await lab.start({ rebroadcastAfterMs: 60_000, replaceAfterMs: 1_500 });
    const rows = await acceptAll(engine, await lab.payments(2));
    await submitted(rows[0]!.id);
    const [batch] = await lab.openBatches();
    const [first] = batch!.attempts;
    // One payer is emptied, so the replacement leaves his payment out; then he is filled again and the first is mined.
    const payer = rows[1]!.work.kind === "authorization" ? rows[1]!.work.authorization.from : "0x";
    await lab.mint(payer, 0n);
    const replaced = await until(async () => {
      const newest = (await lab.openBatches())[0]?.attempts.at(-1);
      return newest?.paymentIds.length === 1 ? newest : undefined;
    });
    await handedOut(replaced.hash);
    await lab.mint(payer, 10n ** 12n);
    await anvil.request("anvil_dropAllTransactions");
    await anvil.request("evm_setAutomine", [true]);
    try {
      await anvil.request("eth_sendRawTransaction", [first!.raw]).catch(() => undefined);
      for (const { id } of rows) expect((await settled(engine, id)).transactionHash).to.equal(first!.hash);
    } finally {
      await anvil.request("evm_setAutomine", [false]);
    }
  });

  it("notices that a txNonce was used from outside, and queues the payments again on evidence at depth", async () => {
    const engine = await lab.start({ lossConfirmations: 3, rebroadcastAfterMs: 60_000, replaceAfterMs: 60_000 });
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
      (await lab.store.history(row!.id)).find(({ evidence }) => evidence.kind === "returned"),
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

  it("pauses a sender that cannot pay, says so once, and goes on when it is funded, with the same bytes", async () => {
    await lab.give(lab.account.address, 10n ** 9n);
    const engine = await lab.start();
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

  it("assumes that bytes are out when the answer is lost, and never signs again for that", async () => {
    let lost = 0;
    const faulty = await startFaultyNode(anvil.rpcUrl, ({ method, params }) => {
      if (method !== "eth_sendRawTransaction") return "pass";
      lost += 1;
      void anvil.request("eth_sendRawTransaction", [...params]).catch(() => undefined);
      return "hang-up";
    });
    const client = await connectChain(faulty.rpcUrl, { transport: { retryCount: 0 } });
    const engine = await lab.start({}, { chain: { client } });
    const [row] = await acceptAll(engine, await lab.payments(1));
    await until(async () => (await pool()) === 1);
    expect((await lab.row(row!.id)).state).to.equal("submitted");
    await anvil.mine();
    await settled(engine, row!.id);
    expect(lost >= 1).to.equal(true);
    expect(
      (await lab.store.batches({ chainId: 84532, sender: lab.account.address, states: ["mined", "final"] }))[0]
        ?.attempts,
    ).to.have.length(1);
    await engine.close();
    await faulty.stop();
  });

  it("broadcasts to every node, and a dead one keeps nobody", async () => {
    const other = await startAnvil();
    const dead = await startFaultyNode(anvil.rpcUrl, ({ method }) => (method === "eth_chainId" ? "pass" : "hang"));
    const nodes = await Promise.all([dead.rpcUrl, other.rpcUrl].map((url) => connectChain(url)));
    // The second node must know the sender's ether for its mempool to take the bytes.
    await other.request("anvil_setBalance", [lab.account.address, "0x56bc75e2d63100000"]);
    const engine = await lab.start({}, { chain: { client: lab.client, nodes } });
    const startedAt = Date.now();
    const [row] = await acceptAll(engine, await lab.payments(1));
    await until(async () => (await pool()) === 1);
    await until(async () => Number(((await other.request("txpool_status")) as { pending: string }).pending) === 1);
    expect(Date.now() - startedAt < 2_000).to.equal(true);
    await anvil.mine();
    await settled(engine, row!.id);
    await engine.close();
    await Promise.all([other.stop(), dead.stop()]);
  });

  it("reads on through the next URL when the first node dies", async () => {
    let isDead = false;
    const first = await startFaultyNode(anvil.rpcUrl, () => (isDead ? "hang-up" : "pass"));
    const client = await connectChain([first.rpcUrl, anvil.rpcUrl], { transport: { retryCount: 0 } });
    const engine = await lab.start({}, { chain: { client } });
    isDead = true;
    const [row] = await acceptAll(engine, await lab.payments(1));
    await until(async () => (await pool()) === 1);
    await anvil.mine();
    await settled(engine, row!.id);
    await engine.close();
    await first.stop();
  });

  it("rebroadcasts the same signed bytes after a restart, also under a changed fee policy", async () => {
    const first = await lab.start();
    const rows = await acceptAll(first, await lab.payments(2));
    await submitted(rows[0]!.id);
    const [batch] = await lab.openBatches();
    await first.close();
    await anvil.request("anvil_dropAllTransactions");
    const fees = { floorWei: 5_000_000_000n, ceilingWei: 10n ** 12n, bumpPermille: 500n };
    const second = await lab.start({ fees, replaceAfterMs: 60_000 });
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
    const client = await connectChain(mute.rpcUrl, { transport: { retryCount: 0 } });
    // The process dies between storing and sending: the journal refuses to note a broadcast.
    const store = { ...lab.store, markBroadcast: async () => new Promise<never>(() => undefined) };
    const first = await lab.start({}, { chain: { client }, store });
    const [row] = await acceptAll(first, await lab.payments(1));
    await until(async () => (await lab.row(row!.id)).state === "batched");
    const [batch] = await lab.openBatches();
    expect(batch!.attempts[0]!.broadcastAtMs).to.equal(undefined);
    sent.push(batch!.attempts[0]!.hash);
    await first.close();
    const second = await lab.start();
    await until(async () => (await pool()) === 1);
    await anvil.mine();
    expect((await settled(second, row!.id)).transactionHash).to.equal(sent[0]);
    await mute.stop();
  });

  it("holds everything while no block comes, and settles when one does", async () => {
    const engine = await lab.start({ replaceAfterMs: 60_000 });
    const rows = await acceptAll(engine, await lab.payments(3));
    await submitted(rows[0]!.id);
    await sleep(600);
    expect((await lab.store.count()).submitted).to.equal(3);
    await anvil.mine();
    for (const { id } of rows) await settled(engine, id);
  });

  it("tells of an outcome at the confirmation depth, and not one block before", async () => {
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
    const client = await connectChain(faulty.rpcUrl, { transport: { retryCount: 0 } });
    const engine = await lab.start({ rebroadcastAfterMs: 40, replaceAfterMs: 80 }, { chain: { client } });
    const [row] = await acceptAll(engine, await lab.payments(1));
    await until(() => lab.said("handed out").length >= 5);
    expect((await lab.openBatches())[0]?.attempts).to.have.length(1);
    await anvil.mine();
    await settled(engine, row!.id);
    await engine.close();
    await faulty.stop();
  });

  it("settles an underpriced replacement race: raises the fee until a node takes it", async () => {
    // From outside, dearer, under the txNonce that ours will have: it is replaced once ours pays more.
    const engine = await lab.start({ replaceAfterMs: 200 });
    const [row] = await acceptAll(engine, await lab.payments(1));
    await submitted(row!.id);
    await anvil.request("anvil_dropAllTransactions");
    const nowFee = (await lab.openBatches())[0]!.attempts[0]!.maxFeePerGas;
    const fee = `0x${(nowFee * 2n).toString(16)}`;
    await lab.sendAs(lab.account.address, lab.payee(), "0x", {
      nonce: "0x0",
      maxFeePerGas: fee,
      maxPriorityFeePerGas: `0x${(nowFee / 4n).toString(16)}`,
    });
    await until(() => lab.said("handed out").some(({ fields }) => fields.answer === "underpriced"));
    await until(async () => {
      const { pending } = (await anvil.request("txpool_content")) as {
        pending: Record<string, Record<string, { hash: Hex }>>;
      };
      const mine = Object.entries(pending).find(
        ([sender]) => sender.toLowerCase() === lab.account.address.toLowerCase(),
      );
      const hash = mine?.[1]["0"]?.hash;
      return (await lab.openBatches())[0]?.attempts.some((attempt) => attempt.hash === hash) === true;
    });
    await anvil.mine();
    await settled(engine, row!.id);
  });

  async function directTransfer(authorization: Parameters<typeof encodeTransfer>[0]): Promise<Hex> {
    return lab.sendAs(lab.accountAt(9).address, anvil.usdc, encodeTransfer(authorization), {
      maxFeePerGas: "0x174876e800",
      maxPriorityFeePerGas: "0x2540be400",
    });
  }
});
