import { expect } from "chai";
import { verifySignatureOffline } from "../../../../src/authorization/verify.ts";
import { connectChain } from "../../../../src/chain/client.ts";
import type { Clock } from "../../../../src/clock.ts";
import type { Journal } from "../../../../src/journal/index.ts";
import { networks } from "../../../../src/networks.ts";
import { type Anvil, startAnvil } from "../../../helpers/anvil.ts";
import { startFaultyNode } from "../../../helpers/chainLab.ts";
import { acceptAll, type EngineLab, openEngineLab, PATIENT, rowOf, sleep, until } from "../../../helpers/engineLab.ts";
import { eachInLab } from "../../../helpers/engineSuite.ts";
import { isLong } from "../../../helpers/randomness.ts";

const { usdc } = networks.baseSepolia;

describe("createSettlementEngine: scheduling", () => {
  let anvil: Anvil;
  let lab: EngineLab;

  eachInLab(startAnvil, (...opened) => {
    [anvil, lab] = opened;
  });

  const pool = async () => Number(((await anvil.request("txpool_status")) as { pending: string }).pending);
  const sizes = async () => (await lab.openBatches()).map(({ attempts }) => attempts.at(-1)!.paymentIds.length);
  const behind = async (fault: Parameters<typeof startFaultyNode>[1]) => {
    const node = await startFaultyNode(anvil.rpcUrl, fault);
    lab.later(node.stop);
    return connectChain(node.rpcUrl, { transport: { retryCount: 0 } });
  };

  describe("when to send", () => {
    it("sends at once after a short linger when nothing is in flight, with what came meanwhile", async () => {
      const engine = await lab.start({ lingerMs: 60_000, maxLingerMs: 600_000, gatherMs: 120_000 });
      await acceptAll(engine, await lab.payments(2));
      await acceptAll(engine, await lab.payments(1));
      await sleep(80);
      expect(await sizes()).to.deep.equal([]);
      lab.clock.jump(61_000);
      await until(async () => (await pool()) === 1);
      expect(await sizes()).to.deep.equal([3]);
    });

    it("collects while something is in flight", async () => {
      const engine = await lab.start({ maxLingerMs: 60_000, sweepMs: 60_000, replaceAfterMs: 600_000 });
      await acceptAll(engine, await lab.payments(1));
      await until(async () => (await pool()) === 1);
      for (let i = 0; i < 3; i += 1) await acceptAll(engine, await lab.payments(2));
      await sleep(80);
      expect(await sizes()).to.deep.equal([1]);
      lab.clock.jump(61_000);
      await until(async () => (await pool()) === 2);
      expect(await sizes()).to.deep.equal([1, 6]);
    });

    it("sends a full batch at once", async () => {
      const engine = await lab.start({ ...PATIENT, fullBatch: 4 });
      const [first, ...rest] = await lab.payments(4);
      await acceptAll(engine, rest);
      await sleep(80);
      expect(await sizes()).to.deep.equal([]);
      await acceptAll(engine, [first!]);
      await until(async () => (await pool()) === 1);
      expect(await sizes()).to.deep.equal([4]);
    });

    it("does not wait for more payments once it is told that none will come", async () => {
      const engine = await lab.start({ ...PATIENT, sweepMs: 60_000 });
      await acceptAll(engine, await lab.payments(2));
      await sleep(80);
      expect(await sizes()).to.deep.equal([]);
      engine.flush();
      await until(async () => (await pool()) === 1);
      await acceptAll(engine, await lab.payments(1));
      await until(async () => (await pool()) === 2);
      expect(await sizes()).to.deep.equal([2, 1]);
    });

    it("sends before a deadline, however long the linger is", async () => {
      const engine = await lab.start(PATIENT);
      const validBefore = BigInt(Math.floor(lab.clock.now() / 1000)) + 300n;
      await acceptAll(engine, await lab.payments(1));
      await acceptAll(engine, await lab.payments(1, { validBefore }));
      await sleep(80);
      expect(await sizes()).to.deep.equal([]);
      lab.clock.jump(290_000);
      await until(async () => (await pool()) === 1);
      expect(await sizes()).to.deep.equal([2]);
    });

    it("sends the earliest deadlines first if room is short", async () => {
      const engine = await lab.start({ ...PATIENT, maxInFlight: 1, limits: { maxItems: 2 }, fullBatch: 4 });
      const soon = BigInt(Math.floor(Date.now() / 1000)) + 300n;
      const late = await lab.payments(2, { validBefore: soon + 5_000n });
      const early = await lab.payments(2, { validBefore: soon });
      const rows = await acceptAll(engine, [...late, ...early]);
      await until(async () => (await pool()) === 1);
      const [batch] = await lab.openBatches();
      expect([...batch!.attempts[0]!.paymentIds].sort()).to.deep.equal([rows[2]!.id, rows[3]!.id].sort());
    });

    it("sends at once when a payer's unsettled payments come to most of their balance", async () => {
      const payer = await lab.payer(10_000n);
      const engine = await lab.start({ ...PATIENT, exposurePermille: 800n });
      const pay = (value: bigint) => lab.sign(payer, { to: lab.payee(), value });
      await acceptAll(engine, [await pay(7_999n)]);
      await sleep(100);
      expect(await sizes()).to.deep.equal([]);
      await acceptAll(engine, [await pay(1n)]);
      await until(async () => (await pool()) === 1);
      expect(await sizes()).to.deep.equal([2]);
    });

    it("sends at once when a waiting payer's balance falls", async () => {
      const payer = await lab.payer(10_000n);
      const engine = await lab.start({ ...PATIENT, watchBalancesMs: 50 });
      await acceptAll(engine, [await lab.sign(payer, { to: lab.payee(), value: 1_000n })]);
      await sleep(200);
      expect(await sizes()).to.deep.equal([]);
      await lab.mint(payer.address, 1_200n);
      await until(async () => (await pool()) === 1);
    });
  });

  describe("limits", () => {
    it("bounds what a payer may have unsettled, within one submission too, and frees it with the settlement", async () => {
      const payer = await lab.payer(10_000n);
      const engine = await lab.start({ payerUnsettledCap: 100n });
      const pay = (value: bigint) => lab.sign(payer, { to: lab.payee(), value });
      const submissions = [{ authorization: await pay(60n) }, { authorization: await pay(41n) }];
      const admissions = await engine.accept([...submissions, { authorization: await pay(40n) }]);
      expect(admissions.map((one) => (one.status === "refused" ? one.reason : one.status))).to.deep.equal([
        "accepted",
        "payer-cap",
        "accepted",
      ]);
      // Submitted again, it is the same payment and counts once.
      expect((await engine.accept([submissions[0]!]))[0]).to.include({ status: "accepted", isNew: false });
      await until(async () => (await pool()) === 1);
      await anvil.mine();
      await engine.drain();
      expect((await engine.accept([submissions[1]!]))[0]).to.include({ status: "accepted" });
    });

    it("bounds how many payments a payer may have open, whatever they move, and frees a place with each outcome", async () => {
      const payer = await lab.payer(10_000n);
      const engine = await lab.start({ payerOpenCap: 2, lingerMs: 1_000, gatherMs: 1_000 });
      const pay = async () => ({ authorization: await lab.sign(payer, { to: lab.payee(), value: 1n }) });
      const submissions = [await pay(), await pay(), await pay()];
      const outcomes = (await engine.accept(submissions)).map((one) =>
        one.status === "refused" ? `${one.reason}: ${one.message}` : one.status,
      );
      const refusal = "payer-cap: the payer may have at most 2 payments open at once";
      expect(outcomes).to.deep.equal(["accepted", "accepted", refusal]);
      expect(engine.beyondCaps(submissions[2]!.authorization)).to.equal(refusal.slice("payer-cap: ".length));
      // Its caller may have another bound; the same payment takes no second place; another payer has other places.
      expect(engine.beyondCaps(submissions[2]!.authorization, 3)).to.equal(undefined);
      expect(engine.beyondCaps(submissions[0]!.authorization)).to.equal(undefined);
      const stranger = await lab.payer(10_000n);
      expect(engine.beyondCaps(await lab.sign(stranger, { to: lab.payee(), value: 1n }))).to.equal(undefined);
      await until(async () => (await pool()) === 1);
      await anvil.mine();
      await engine.drain();
      expect((await engine.accept([submissions[2]!]))[0]).to.include({ status: "accepted" });
    });

    it("counts what a call takes from a payer like one of their payments", async () => {
      const payer = await lab.payer(10_000n);
      const engine = await lab.start({ ...PATIENT, payerOpenCap: 1, payerUnsettledCap: 100n });
      const signed = await lab.sign(payer, { to: lab.payee(), value: 60n });
      const { chainId, token, from } = signed;
      const call = (key: string, value: bigint) => ({
        key,
        to: token,
        data: "0x01" as const,
        gas: 100_000n,
        deadlineSeconds: 4_000_000_000n,
        spends: { chainId, token, from, nonce: `0x${key.padStart(64, "0")}` as const, value },
      });
      expect(await engine.acceptCall(call("a", 101n))).to.include({ status: "refused", reason: "payer-cap" });
      expect(await engine.acceptCall(call("b", 50n))).to.include({ status: "accepted" });
      expect(await engine.acceptCall(call("c", 1n))).to.include({ status: "refused", reason: "payer-cap" });
      expect((await engine.accept([{ authorization: signed }]))[0]).to.include({ reason: "payer-cap" });
      expect((await engine.accept([{ authorization: signed, payerOpenCap: 2 }]))[0]).to.include({
        message: "the payer may have at most 100 unsettled",
      });
    });

    it("refuses what is not worth settling", async () => {
      const engine = await lab.start({ limits: { minimumValue: 50n } });
      const sign = (value: bigint) => lab.sign(lab.accountAt(1), { to: lab.payee(), value });
      const admissions = await engine.accept([{ authorization: await sign(49n) }, { authorization: await sign(50n) }]);
      expect(admissions[0]).to.deep.equal({
        status: "refused",
        reason: "below-minimum",
        message: "49 is below the minimum of 50",
      });
      expect(admissions[1]).to.include({ status: "accepted" });
    });

    it("bounds the allowances of payers with code in one batch", async () => {
      const code = "0x631626ba7e60e01b60005260206000f3";
      const engine = await lab.start({ limits: { codePayerAllowance: 200_000n, codePayerAllowanceCeiling: 400_000n } });
      const payers = await Promise.all(Array.from({ length: 5 }, () => lab.payer(1_000n, code)));
      const signed = await Promise.all(payers.map((payer) => lab.sign(payer, { to: lab.payee(), value: 1n })));
      await acceptAll(engine, signed);
      await until(async () => (await pool()) === 3);
      expect((await sizes()).sort()).to.deep.equal([1, 2, 2]);
      await anvil.mine();
      await engine.drain();
      expect((await lab.journal.count()).settled).to.equal(5);
    });

    it("takes what a dead engine had picked once the pick is over", async () => {
      const patient = await lab.start(PATIENT);
      const [row] = await acceptAll(patient, await lab.payments(1));
      await patient.close();
      const nowMs = lab.clock.now();
      await lab.journal.pick({ chainId: 84532, owner: "dead", nowMs, untilMs: nowMs + 60_000, limit: 10 });
      const engine = await lab.start();
      await sleep(200);
      expect((await lab.row(row!.id)).state).to.equal("queued");
      lab.clock.jump(61_000);
      await until(async () => (await pool()) === 1);
      await anvil.mine();
      expect((await engine.outcome(row!.id)).state).to.equal("settled");
    });
  });

  describe("several engines, each with its own keys", () => {
    it("leave alone what another one is working on, however long, and take it seconds after its death", async () => {
      let kept = 0;
      let isDead = false;
      const slow: Journal = {
        ...lab.journal,
        storeBatch: () => new Promise<never>(() => undefined),
        keepPicked: async (...args) => {
          if (isDead) return;
          await lab.journal.keepPicked(...args);
          kept += 1;
        },
      };
      const first = await lab.start({}, { journal: slow });
      const [row] = await acceptAll(first, await lab.payments(1));
      lab.clock.jump(1_000);
      await until(() => kept > 0);
      const other = await openEngineLab(anvil);
      lab.later(other.close);
      const second = await lab.start({}, { senders: [other.account] });
      for (let seconds = 0; seconds < 10; seconds += 1) {
        const before = kept;
        lab.clock.jump(1_000);
        await until(() => kept > before);
      }
      expect((await lab.row(row!.id)).state).to.equal("queued");
      isDead = true;
      lab.clock.jump(3_000);
      await until(async () => (await pool()) === 1);
      await anvil.mine();
      expect((await second.outcome(row!.id)).state).to.equal("settled");
      expect(await lab.client.getTransactionCount({ address: other.account.address })).to.equal(1);
    });
  });

  describe("under load and in trouble", () => {
    it(`settles a round of ${isLong ? "2,000" : "400"} payments without holding up the event loop`, async () => {
      const engine = await lab.start({ limits: { maxItems: 300 }, maxInFlight: 8, fullBatch: 5_000, lingerMs: 300 });
      const authorizations = await lab.payments(isLong ? 2_000 : 400);
      const turns = watchTurns();
      await acceptAll(engine, authorizations);
      await until(async () => (await lab.journal.count()).queued === undefined);
      const longest = turns.stop();
      // Checking their signatures all at once would be a turn that takes longer than that.
      const before = process.threadCpuUsage();
      for (const authorization of authorizations) await verifySignatureOffline(authorization, usdc);
      const { user, system } = process.threadCpuUsage(before);
      const all = (user + system) / 1000;
      expect(longest, `ms of the processor in one turn, of ${all} for all signatures`).to.be.below(all);
      const mining = setInterval(() => void anvil.mine(), 50);
      lab.later(async () => clearInterval(mining));
      await engine.drain();
      expect((await lab.journal.count()).settled).to.equal(authorizations.length);
    });

    it("answers a submission with the round that follows its block", async () => {
      await anvil.request("evm_setAutomine", [true]);
      lab.later(async () => void (await anvil.request("evm_setAutomine", [false])));
      const engine = await lab.start({ lingerMs: 10 });
      const [authorization] = await lab.payments(1);
      expect(rowOf(await engine.submit({ authorization: authorization! })).state).to.equal("settled");
    });

    it("logs little while the node is down, and continues when it is back", async () => {
      let isDead = false;
      const client = await behind(() => (isDead ? "hang-up" : "pass"));
      const engine = await lab.start({}, { chain: { client } });
      isDead = true;
      await sleep(1_500);
      const refused = await engine.accept([{ authorization: (await lab.payments(1))[0]! }]).catch((e: unknown) => e);
      expect(refused).to.have.property("name", "ChainUnavailableError");
      isDead = false;
      expect(lab.logs.filter(({ level }) => level === "warn" || level === "error").length <= 5).to.equal(true);
      const [row] = await acceptAll(engine, await lab.payments(1));
      await until(async () => (await pool()) === 1);
      await anvil.mine();
      expect((await engine.outcome(row!.id)).state).to.equal("settled");
    });

    it("logs little while the journal is down, and continues when it is back", async () => {
      let isDown = false;
      const journal = new Proxy(lab.journal, {
        get: (target, name) => {
          const method: unknown = Reflect.get(target, name);
          if (name === "onChange" || name === "close") return method;
          return async (...args: unknown[]) => {
            if (isDown) throw new Error("the disk is full");
            return (method as (...all: unknown[]) => Promise<unknown>)(...args);
          };
        },
      });
      const engine = await lab.start({}, { journal });
      const [row] = await acceptAll(engine, await lab.payments(1));
      await until(async () => (await pool()) === 1);
      isDown = true;
      await anvil.mine();
      await sleep(1_000);
      isDown = false;
      expect((await engine.outcome(row!.id)).state).to.equal("settled");
      expect(lab.logs.filter(({ level }) => level === "warn" || level === "error").length <= 6).to.equal(true);
      await until(() => lab.said("works again").length > 0);
    });

    it("keeps one wallet about which no node answers from harming others at intake", async () => {
      const strange = await lab.payer(1_000n, "0x631626ba7e60e01b60005260206000f3");
      const client = await behind(({ method, params }) => {
        const isAsked = method === "eth_getCode" && String(params[0]).toLowerCase() === strange.address.toLowerCase();
        return isAsked ? { error: { code: -32000, message: "state is not there" } } : "pass";
      });
      const engine = await lab.start({}, { chain: { client } });
      const bad = await lab.sign(strange, { to: lab.payee(), value: 1n });
      const [good] = await lab.payments(1);
      const [first, second] = await Promise.allSettled([
        engine.submit({ authorization: bad }),
        (async () => {
          const outcome = engine.submit({ authorization: good! });
          await until(async () => (await pool()) === 1);
          await anvil.mine();
          return outcome;
        })(),
      ]);
      expect(first).to.have.nested.property("reason.name", "ChainUnavailableError");
      expect(second).to.have.property("status", "fulfilled");
    });
  });

  describe("after a takeover", () => {
    it("sends at once what the former engine had picked, which sends nothing when it wakes up", async () => {
      const stopped = stoppedBeforeStoring(lab.journal, lab.clock);
      const { journal, clock } = stopped;
      const first = await lab.start({ leaseTtlMs: 600 }, { journal, clock });
      const rows = await acceptAll(first, await lab.payments(3));
      await stopped.reached;
      const second = await lab.start({}, {}, {});
      const startedAt = lab.clock.now();
      await until(async () => (await pool()) === 1);
      // A pick lasts 15 s of the engine's time.
      expect(lab.clock.now() - startedAt).to.be.below(15_000);
      expect(await sizes()).to.deep.equal([3]);
      expect(await stopped.wakeUp()).to.equal("fenced");
      await anvil.mine();
      for (const { id } of rows) expect((await second.outcome(id)).state).to.equal("settled");
      await sleep(200);
      expect(await pool()).to.equal(0);
      expect(await lab.journal.lastTxNonce(lab.client.chain.id, lab.account.address)).to.equal(0);
      const [row] = rows;
      if (row?.work.kind !== "authorization") throw new Error("no authorization");
      expect(await lab.balanceOf(row.work.authorization.to)).to.equal(3_003n);
    });
  });
});

/** A journal and a clock for an engine that stops, with its time, from its first signed batch until it is woken up. */
function stoppedBeforeStoring(journal: Journal, running: Clock) {
  let stoppedAtMs: number | undefined;
  let stop: () => void = () => undefined;
  let wakeUp: () => void = () => undefined;
  let tell: (answer: Awaited<ReturnType<Journal["storeBatch"]>>) => void = () => undefined;
  const reached = new Promise<void>((resolve) => {
    stop = resolve;
  });
  const awake = new Promise<void>((resolve) => {
    wakeUp = resolve;
  });
  const told = new Promise<Awaited<ReturnType<Journal["storeBatch"]>>>((resolve) => {
    tell = resolve;
  });
  const clock: Clock = {
    now: () => stoppedAtMs ?? running.now(),
    sleep: async (ms, signal) => {
      await running.sleep(ms, signal);
      if (stoppedAtMs !== undefined) await awake;
    },
  };
  const storeBatch: Journal["storeBatch"] = async (...batch) => {
    stoppedAtMs = clock.now();
    stop();
    await awake;
    const answer = await journal.storeBatch(...batch);
    tell(answer);
    return answer;
  };
  return {
    journal: { ...journal, storeBatch },
    clock,
    reached,
    /** The answer about the batch that it was about to store. */
    wakeUp: () => {
      stoppedAtMs = undefined;
      wakeUp();
      return told;
    },
  };
}

/** The most processor time, in milliseconds, of one turn of the event loop. What other processes do does not count. */
function watchTurns(): { readonly stop: () => number } {
  let longest = 0;
  let isOn = true;
  let before = process.threadCpuUsage();
  const turn = (): void => {
    const { user, system } = process.threadCpuUsage(before);
    longest = Math.max(longest, (user + system) / 1000);
    before = process.threadCpuUsage();
    if (isOn) setImmediate(turn);
  };
  setImmediate(turn);
  return {
    stop: () => {
      isOn = false;
      return longest;
    },
  };
}
