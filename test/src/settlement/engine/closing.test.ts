import { mkdtemp, rm } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { connectChain } from "../../../../src/chain/client.ts";
import type { Clock } from "../../../../src/clock.ts";
import { openJournal } from "../../../../src/journal/index.ts";
import { EngineBusyError, EngineClosedError, SenderHeldError } from "../../../../src/settlement/engine/errors.ts";
import type { KeyWait } from "../../../../src/settlement/engine/takeKeys.ts";
import { type Anvil, startAnvil } from "../../../helpers/anvil.ts";
import { startFaultyNode } from "../../../helpers/chainLab.ts";
import { acceptAll, type EngineLab, openEngineLab, PATIENT, rowOf, sleep, until } from "../../../helpers/engineLab.ts";
import { eachInLab } from "../../../helpers/engineSuite.ts";

describe("createSettlementEngine: waiting and closing", () => {
  let anvil: Anvil;
  let lab: EngineLab;

  eachInLab(startAnvil, (...opened) => {
    [anvil, lab] = opened;
  });

  const pool = async () => Number(((await anvil.request("txpool_status")) as { pending: string }).pending);
  const behind = async (fault: Parameters<typeof startFaultyNode>[1]) => {
    const node = await startFaultyNode(anvil.rpcUrl, fault);
    lab.later(node.stop);
    // Only the engine gives up on a node that hangs.
    return connectChain(node.rpcUrl, { transport: { retryCount: 0, timeout: 3_600_000 } });
  };

  describe("waiters", () => {
    it("lets a caller go when its signal aborts, and keeps the payment", async () => {
      const engine = await lab.start(PATIENT);
      const [authorization] = await lab.payments(1);
      const leaving = new AbortController();
      const outcome = engine
        .submit({ authorization: authorization! }, { signal: leaving.signal })
        .catch((e: unknown) => e);
      await until(async () => (await lab.journal.count()).queued === 1);
      leaving.abort(new Error("the client is gone"));
      expect(await outcome).to.have.property("message", "the client is gone");
      expect((await lab.journal.count()).queued).to.equal(1);
    });

    it("refuses more callers than may wait", async () => {
      const engine = await lab.start({ ...PATIENT, maxWaiters: 2 });
      const [a, b, c] = await lab.payments(3);
      const waiting = [a, b].map((authorization) => engine.submit({ authorization: authorization! }).catch((e) => e));
      const refused = await engine.submit({ authorization: c! }).catch((error: unknown) => error);
      expect(refused).to.be.instanceOf(EngineBusyError);
      await engine.close();
      for (const error of await Promise.all(waiting)) expect(error).to.be.instanceOf(EngineClosedError);
    });

    it("learns outcomes of payments that another engine settles", async () => {
      const folder = await mkdtemp(join(tmpdir(), "tributary-"));
      const [one, two] = await Promise.all([1, 2].map(() => openJournal(join(folder, "journal.db"))));
      const [sending, waiting] = [
        await openEngineLab(anvil, { journal: one! }),
        await openEngineLab(anvil, { journal: two! }),
      ];
      lab.later(async () => {
        await Promise.all([sending.close(), waiting.close()]);
        await Promise.all([one!.close(), two!.close()]);
        await rm(folder, { recursive: true });
      });
      await sending.start();
      // It has a key that cannot pay, so it only accepts and waits.
      await waiting.give(waiting.account.address, 0n);
      const door = await waiting.start({ minimumSenderBalanceWei: 1n });
      const [authorization] = await lab.payments(1);
      const outcome = door.submit({ authorization: authorization! });
      await until(async () => (await pool()) === 1);
      await anvil.mine();
      const row = rowOf(await outcome);
      expect(row.state).to.equal("settled");
      expect(await lab.client.getTransactionCount({ address: sending.account.address })).to.equal(1);
    });
  });

  describe("a start that is refused", () => {
    it("leaves nothing behind that waits or follows blocks", async () => {
      await lab.start();
      const signals: (AbortSignal | undefined)[] = [];
      const clock: Clock = {
        now: lab.clock.now,
        sleep: (ms, signal) => {
          signals.push(signal);
          return lab.clock.sleep(ms, signal);
        },
      };
      const error = await lab.start({ inStep: true }, { clock, owner: "another" }).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(SenderHeldError);
      // The first question about the newest block may still be under way.
      await lab.client.getBlockNumber();
      await sleep(50);
      expect(signals.filter((signal) => signal?.aborted !== true)).to.deep.equal([]);
    });
  });

  describe("close", () => {
    it("refuses intake, concludes what is in flight, and may be called twice", async () => {
      const engine = await lab.start();
      const [authorization, late] = await lab.payments(2);
      const outcome = engine.submit({ authorization: authorization! });
      await until(async () => (await pool()) === 1);
      const closed = engine.close({ finishWithinMs: 600_000 });
      expect(engine.close()).to.equal(closed);
      expect(await engine.accept([{ authorization: late! }]).catch((error: unknown) => error)).to.be.instanceOf(
        EngineClosedError,
      );
      await anvil.mine();
      expect(rowOf(await outcome).state).to.equal("settled");
      await closed;
      const { lease } = (await lab.journal.senders(84532)).find(({ sender }) => sender === lab.account.address)!;
      expect(lease).to.equal(undefined);
    });

    it("leaves what is not mined in the journal, within its bound, and tells those who wait", async () => {
      const engine = await lab.start();
      const [authorization] = await lab.payments(1);
      const outcome = engine.submit({ authorization: authorization! }).catch((error: unknown) => error);
      await until(async () => (await pool()) === 1);
      await engine.close({ finishWithinMs: 200 });
      expect(await outcome).to.be.instanceOf(EngineClosedError);
      expect((await lab.journal.count()).submitted).to.equal(1);
      const after = await engine.outcome(1).catch((error: unknown) => error);
      expect(after).to.be.instanceOf(EngineClosedError);
      expect(await engine.drain().catch((error: unknown) => error)).to.be.instanceOf(EngineClosedError);
      const next = await lab.start();
      await anvil.mine();
      expect((await next.outcome(1)).state).to.equal("settled");
    });

    it("returns within its bound while the node is dead", async () => {
      let isDead = false;
      const client = await behind(() => (isDead ? "hang" : "pass"));
      const engine = await lab.start({}, { chain: { client } });
      await acceptAll(engine, await lab.payments(1));
      await until(async () => (await pool()) === 1);
      isDead = true;
      await sleep(50);
      await engine.close({ finishWithinMs: 100 });
      expect((await lab.journal.count()).submitted).to.equal(1);
    });
  });

  describe("the lease", () => {
    it("refuses a second engine with the same key, and names its process and nothing that it cannot know", async () => {
      await lab.start();
      const error = await lab.start().catch((refusal: unknown) => refusal);
      expect(error).to.be.instanceOf(SenderHeldError);
      const who = `process ${process.pid} on ${hostname()}`;
      expect(error).to.have.property("shortMessage", `Another engine sends from ${lab.account.address}: ${who}.`);
      expect(error).to.have.nested.property("lease.place.pid", process.pid);
      expect(String(error))
        .to.match(/One look cannot show whether it is alive/)
        .and.not.match(/died|dead/);
    });

    it("is watched by one who waits, who learns that the owner is alive", async () => {
      await lab.start({ leaseTtlMs: 1_500 });
      const waits: KeyWait[] = [];
      const error = await lab
        .start({ leaseTtlMs: 1_500 }, {}, { onWait: (wait) => waits.push(wait) })
        .catch((refusal: unknown) => refusal);
      expect(error).to.be.instanceOf(SenderHeldError);
      expect(error).to.have.property("details", "It is alive: it renewed its lease while this one watched.");
      expect(waits.map(({ lease }) => lease.place?.pid)).to.deep.equal([process.pid]);
    });

    it("is renewed while a long dispatch is under way", async () => {
      const client = await behind(() => "pass");
      const call = client.call;
      // Each pre-flight takes longer than the lease lasts.
      client.call = (async (...args: Parameters<typeof call>) => {
        await lab.clock.sleep(900);
        return call(...args);
      }) as typeof call;
      const engine = await lab.start({ leaseTtlMs: 600 }, { chain: { client } });
      const [row] = await acceptAll(engine, await lab.payments(2));
      await until(async () => (await pool()) === 1);
      await anvil.mine();
      expect((await engine.outcome(row!.id)).state).to.equal("settled");
      const { epoch } = (await lab.journal.senders(84532)).find(({ sender }) => sender === lab.account.address)!;
      expect(epoch).to.equal(1);
    });

    it("sends nothing after it was lost", async () => {
      const engine = await lab.start();
      const key = { chainId: 84532, sender: lab.account.address };
      const held = (await lab.journal.senders(84532)).find(({ sender }) => sender === key.sender)!;
      // Another engine takes over, as after a stop that was longer than the lease.
      await lab.journal.releaseLease(held.lease!);
      await lab.journal.acquireLease({ ...key, owner: "the other", ttlMs: 3_600_000 });
      await acceptAll(engine, await lab.payments(1));
      await until(() => engine.accounts()[0]?.paused === "no-lease");
      await sleep(200);
      expect(await lab.openBatches()).to.deep.equal([]);
      expect(await pool()).to.equal(0);
      expect((await lab.journal.count()).queued).to.equal(1);
    });
  });
});
