import { expect } from "chai";
import type { Hex } from "viem";
import { parseMerchantKeys } from "../../../src/facilitator/index.ts";
import { type Journal, openJournal } from "../../../src/journal/index.ts";
import { ACCEPT_ALL } from "../../helpers/chainLab.ts";
import { type ChannelDesk, type Deep, ERR, openChannelDesk } from "../../helpers/channelDesk.ts";
import { bodyOf, depositBody, idOf, voucherBody } from "../../helpers/channelPayloads.ts";
import { type Answer, payerOf, post } from "../../helpers/facilitator.ts";
import { until } from "../../helpers/until.ts";

const KEY = "d".repeat(40);
const merchants = parseMerchantKeys(`shop=${KEY}`);
/** How long a caller waits for an answer, in the facilitators' time. */
const ANSWER_MS = 15_000;
const asShop = { authorization: `Bearer ${KEY}` };

describe("batch-settlement on the facilitator: deposits", () => {
  let desk: ChannelDesk;
  before(async () => {
    desk = await openChannelDesk();
  });
  after(() => desk.lab.stop());

  /** Asks, and lets the caller's time pass once the deposit is in `state`. */
  async function inVain(journal: Journal, state: "queued" | "submitted", ask: () => Promise<Answer>): Promise<Answer> {
    const asking = ask();
    await until(async () => (await journal.count())[state] === 1, state);
    desk.lab.clock.jump(ANSWER_MS);
    return asking;
  }

  it("has one success for each, however often it is sent", async () => {
    const { lab, facilitator, fresh, stateOf } = desk;
    const { payer, config } = await fresh();
    const body = await depositBody(payer, config, 10_000n);
    const answers = await Promise.all(Array.from({ length: 6 }, () => facilitator.settle(body)));
    const successes = answers.filter((answer) => answer.body.success === true);
    expect(successes).to.have.length(1);
    expect(successes[0]?.body).to.deep.include({
      amount: "10000",
      payer: payer.address,
      extra: {
        channelState: {
          channelId: idOf(config),
          balance: "10000",
          totalClaimed: "0",
          withdrawRequestedAt: 0,
          refundNonce: "0",
        },
      },
    });
    const again = await facilitator.settle(body);
    expect(again.body).to.include({
      success: false,
      errorReason: "duplicate_settlement",
      transaction: successes[0]?.body.transaction,
    });
    expect(await stateOf(config)).to.include({ balance: 10_000n });
    expect(await lab.balanceOf(payer.address)).to.equal(990_000n);
  });

  it("answers a deposit that is not mined yet as pending, and its repetition with the one success", async () => {
    const { lab, fresh } = desk;
    const other = await lab.serve({ policy: { answerWithinMs: ANSWER_MS } });
    const { payer, config } = await fresh();
    const body = await depositBody(payer, config, 10_000n);
    await lab.chain.request("evm_setAutomine", [false]);
    const pending = await inVain(other.journal, "submitted", () => other.settle(body));
    await lab.chain.request("evm_setAutomine", [true]);
    expect(pending.body).to.include({ success: false, errorReason: "settlement_pending" });
    expect(pending.body.transaction).to.match(/^0x[0-9a-f]{64}$/);
    await lab.chain.request("evm_mine", []);
    const settled = await other.settle(body);
    expect(settled.body).to.include({ success: true, transaction: pending.body.transaction });
    expect((await other.settle(body)).body).to.include({ success: false, errorReason: "duplicate_settlement" });
  });

  it("takes back what could not be sent in time, and accepts it again", async () => {
    const { lab, fresh } = desk;
    const engine = { minimumSenderBalanceWei: 10n ** 30n };
    const journal = await openJournal(":memory:");
    const poor = await lab.serve({ journal, engine, policy: { answerWithinMs: ANSWER_MS } });
    const { payer, config } = await fresh();
    const body = await depositBody(payer, config, 10_000n);
    const unsent = await inVain(journal, "queued", () => poor.settle(body));
    expect(unsent.body).to.include({
      success: false,
      errorReason: ERR("deposit_transaction_failed"),
      transaction: "",
      errorMessage: "it was not sent in time and is taken back; nothing moved",
    });
    await poor.close();
    const rich = await lab.serveAs(poor.account, { journal });
    expect((await rich.settle(body)).body).to.include({ success: true, amount: "10000" });
    await rich.close();
    await journal.close();
  });

  it("tell a merchant after a restart the outcome of the deposit that it brought, and nobody else a success", async () => {
    const { lab, fresh, stateOf } = desk;
    const journal = await openJournal(":memory:");
    const policy = { answerWithinMs: ANSWER_MS };
    const first = await lab.serve({ journal, merchants, policy, engine: { closeWithinMs: 0 } });
    const { payer, config } = await fresh();
    const body = await depositBody(payer, config, 10_000n);
    await lab.chain.request("evm_setAutomine", [false]);
    const pending = await inVain(journal, "submitted", () => post(`${first.url}/settle`, body, asShop));
    expect(pending.body.errorReason).to.equal("settlement_pending");
    const { transaction } = pending.body;
    expect((await first.settle(body)).body).to.include({ errorReason: "duplicate_settlement", transaction });
    await first.close();
    await lab.chain.request("evm_setAutomine", [true]);
    await lab.chain.request("evm_mine", []);
    const second = await lab.serveAs(first.account, { journal, merchants });
    expect((await second.settle(body)).body).to.include({ success: false, errorReason: "duplicate_settlement" });
    const told = await post(`${second.url}/settle`, body, asShop);
    expect(told.body).to.include({ success: true, amount: "10000", transaction });
    const again = await post(`${second.url}/settle`, body, asShop);
    expect(again.body).to.include({ errorReason: "duplicate_settlement", transaction });
    expect(await stateOf(config)).to.include({ balance: 10_000n });
    await second.close();
    await journal.close();
  });

  it("are refused if the voucher that comes with it is bad, even if the deposit was sent before", async () => {
    const { lab, fresh } = desk;
    const facilitator = await lab.serve({ merchants });
    const { payer, config } = await fresh();
    const body = await depositBody(payer, config, 10_000n);
    const settle = (sent: unknown) => post(`${facilitator.url}/settle`, sent, asShop);
    const forged = structuredClone(body) as unknown as { paymentPayload: { payload: Deep } };
    (forged.paymentPayload.payload.voucher as Deep).maxClaimableAmount = "2000";
    expect((await settle(forged)).body.errorReason).to.equal(ERR("voucher_signature"));
    expect((await settle(body)).body.success).to.equal(true);
    expect((await settle(forged)).body.errorReason).to.equal(ERR("voucher_signature"));
    expect((await facilitator.settle(forged)).body.errorReason).to.equal("duplicate_settlement");
  });

  it("of a payer with code go alone", async () => {
    const { lab, facilitator, fresh } = desk;
    const { payer, config } = await fresh({ payerAuthorizer: payerOf(1).address });
    await lab.chain.request("hardhat_setCode", [payer.address, ACCEPT_ALL]);
    const wallet = depositBody(payer, config, 10_000n).then(async (body) => {
      // The voucher is the authorizer's, the deposit the wallet's.
      const voucher = await voucherBody(payerOf(1), config, 1_000n);
      const payload = { ...body.paymentPayload.payload, voucher: voucher.paymentPayload.payload.voucher };
      return bodyOf(config, payload);
    });
    const plain = await fresh();
    const bodies = [await wallet, await depositBody(plain.payer, plain.config, 10_000n)];
    const answers = await Promise.all(bodies.map((body) => facilitator.settle(body)));
    expect(answers.map(({ body }) => body.success)).to.deep.equal([true, true]);
    expect(answers[0]?.body.transaction).to.not.equal(answers[1]?.body.transaction);
    const { gas } = await lab.client.getTransaction({ hash: answers[0]?.body.transaction as Hex });
    // The model's gas, and 200,000 for the wallet.
    expect(gas < 430_000n).to.equal(true);
  });

  it("keeps minimum deposits", async () => {
    const { lab, fresh } = desk;
    const { payer, config } = await fresh();
    const strict = await lab.serve({ policy: { assets: [{ address: config.token, minimum: 10_001n }] } });
    const { body } = await strict.settle(await depositBody(payer, config, 10_000n));
    expect(body.errorReason).to.equal("invalid_payment_requirements");
  });

  it("sends from the facilitator's key alone", async () => {
    const { lab, facilitator, fresh } = desk;
    const { payer, config } = await fresh();
    const { body } = await facilitator.settle(await depositBody(payer, config, 10_000n));
    const { from } = await lab.client.getTransaction({ hash: body.transaction as Hex });
    expect(facilitator.account.address.toLowerCase()).to.equal(from.toLowerCase());
  });
});
