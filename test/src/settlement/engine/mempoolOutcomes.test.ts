import { expect } from "chai";
import { encodeTransfer } from "../../../../src/authorization/encode.ts";
import { connectChain } from "../../../../src/chain/client.ts";
import { reasonText } from "../../../../src/journal/reasonText.ts";
import { type Anvil, startAnvil } from "../../../helpers/anvil.ts";
import { ACCEPT_ALL, startFaultyNode } from "../../../helpers/chainLab.ts";
import { acceptAll, type EngineLab, PATIENT, sleep, until } from "../../../helpers/engineLab.ts";
import { eachInLab } from "../../../helpers/engineSuite.ts";

describe("createSettlementEngine: outcomes behind a mempool", () => {
  let anvil: Anvil;
  let lab: EngineLab;
  eachInLab(
    () => startAnvil({ slotsPerEpoch: 2 }),
    (...opened) => {
      [anvil, lab] = opened;
    },
  );
  const pool = async () => Number(((await anvil.request("txpool_status")) as { pending: string }).pending);

  it("a batch that reverts as a whole is sent again in halves, until all is settled", async () => {
    const router = anvil.router!;
    const code = await lab.client.getCode({ address: router });
    const engine = await lab.start({ replaceAfterMs: 600_000 });
    const rows = await acceptAll(engine, await lab.payments(4));
    const sizes: number[][] = [];
    for (let round = 0; round < 3; round += 1) {
      await until(async () => {
        const open = await lab.openBatches();
        return open.length > 0 && (await pool()) === open.length && (await lab.journal.count()).queued === undefined;
      });
      sizes.push((await lab.openBatches()).map(({ attempts }) => attempts.at(-1)!.paymentIds.length));
      // The pre-flight was good; in the block the router reverts.
      await lab.setCode(router, "0x5f5ffd");
      await anvil.mine();
      await lab.setCode(router, code!);
      // What a mined transaction left out is sent again once no reorg can undo that.
      await anvil.mine(2);
    }
    for (const { id } of rows) expect((await engine.outcome(id)).state).to.equal("settled");
    expect(sizes).to.deep.equal([[4], [2, 2], [1, 1, 1, 1]]);
    const reasons = (await lab.journal.history(rows[0]!.id)).map(reasonText);
    expect(reasons.filter((reason) => reason !== undefined)).to.deep.equal(["batch-reverted:2", "batch-reverted:1"]);
  });

  it("a batch that no node takes is halved under its txNonce, until one is taken", async () => {
    const picky = await startFaultyNode(anvil.rpcUrl, ({ method, params }) => {
      const tooMuch = method === "eth_sendRawTransaction" && String(params[0]).length > 1_500;
      return tooMuch ? { error: { code: -32000, message: "exceeds block gas limit" } } : "pass";
    });
    lab.later(picky.stop);
    const client = await connectChain(picky.rpcUrl, { transport: { retryCount: 0 } });
    const engine = await lab.start({ rebroadcastAfterMs: 80, replaceAfterMs: 600_000 }, { chain: { client } });
    const rows = await acceptAll(engine, await lab.payments(8));
    await until(async () => (await pool()) === 1);
    const [batch] = await lab.openBatches();
    expect(batch!.attempts.map(({ paymentIds }) => paymentIds.length)).to.deep.equal([8, 4, 2]);
    const mining = setInterval(() => void anvil.mine(), 60);
    lab.later(async () => clearInterval(mining));
    for (const { id } of rows) expect((await engine.outcome(id)).state).to.equal("settled");
  });

  it("a payer whose code refuses its signature after the pre-flight gets a strike, and the others settle", async () => {
    const payer = await lab.payer(1_000_000n, ACCEPT_ALL);
    const engine = await lab.start({ replaceAfterMs: 600_000, strikeMs: 60_000 });
    const turned = await lab.sign(payer, { to: lab.payee(), value: 10n });
    const rows = await acceptAll(engine, [turned, ...(await lab.payments(2))]);
    await until(async () => (await pool()) === 1);
    await lab.setCode(payer.address, "0x5f5ffd");
    await anvil.mine();
    const [first, ...others] = await Promise.all(rows.map(({ id }) => engine.outcome(id)));
    expect([first!.state, first!.reason]).to.deep.equal(["rejected", "bad-signature"]);
    for (const { state } of others) expect(state).to.equal("settled");
    expect((await lab.journal.strikes(84532, [payer.address])).get(payer.address)?.strikes).to.equal(1);
  });

  it("a payment is not called expired while its transaction may still be mined", async () => {
    const engine = await lab.start({ replaceAfterMs: 600_000, rebroadcastAfterMs: 600_000 });
    const now = await lab.nowSeconds();
    const clock = BigInt(Math.floor(Date.now() / 1000));
    const [row] = await acceptAll(engine, await lab.payments(1, { validBefore: (now > clock ? now : clock) + 300n }));
    await until(async () => (await pool()) === 1);
    await anvil.request("anvil_dropAllTransactions");
    // Chain time passes the deadline without it: unknown is not failed.
    await anvil.request("evm_setNextBlockTimestamp", [Number(row!.deadlineSeconds) + 5]);
    await anvil.mine(6);
    await sleep(200);
    expect((await lab.row(row!.id)).state).to.equal("submitted");
    expect(lab.logs.some(({ level }) => level === "error")).to.equal(false);
  });

  it("takes a foreign settlement back if a reorg undid it, and settles the payment itself", async () => {
    const patient = await lab.start(PATIENT);
    const [authorization] = await lab.payments(1, { validBefore: 4_000_000_000n });
    const [row] = await acceptAll(patient, [authorization!]);
    await patient.close();
    await lab.sendAs(lab.accountAt(9).address, anvil.usdc, encodeTransfer(authorization!));
    await anvil.mine();
    const engine = await lab.start({ lossConfirmations: 1 });
    expect((await engine.outcome(row!.id)).state).to.equal("settled-elsewhere");
    await anvil.request("anvil_reorg", [1, []]);
    await anvil.request("anvil_dropAllTransactions");
    await anvil.mine(6);
    await until(async () => (await pool()) === 1);
    await anvil.mine();
    await until(async () => (await lab.row(row!.id)).state === "settled");
    const why = (await lab.journal.history(row!.id)).map(({ evidence }) =>
      evidence.kind === "returned" ? evidence.why : "",
    );
    expect(why).to.include("the transaction that used its nonce left the chain");
  });
});
