import { expect } from "chai";
import type { Address, Hex } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";
import { privateKeyToAccount } from "viem/accounts";
import { encodeTransfer } from "../../src/authorization/encode.ts";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import { connectChain } from "../../src/chain/client.ts";
import { openJournal } from "../../src/journal/index.ts";
import { sender } from "../../src/local/transaction.ts";
import { PATIENT, until } from "../helpers/engineLab.ts";
import {
  type Answer,
  authorize,
  bodyV1,
  bodyV2,
  type FacilitatorLab,
  JSON_BODY,
  openFacilitatorLab,
  PAYEE,
  payerOf,
} from "../helpers/facilitator.ts";

type Served = Awaited<ReturnType<FacilitatorLab["serve"]>>;

const USED = "invalid_exact_evm_nonce_already_used";
const successes = (answers: readonly Answer[]) => answers.filter(({ body }) => body.success === true);
const batchOf = ({ body }: Answer) => (body.extra as { batch: Record<string, unknown> }).batch;

describe("settling through the facilitator", () => {
  let lab: FacilitatorLab;
  let facilitator: Served;
  let payers: PrivateKeyAccount[];
  let next = 0;

  before(async () => {
    lab = await openFacilitatorLab();
    facilitator = await lab.serve();
    payers = Array.from({ length: 60 }, (_, index) => payerOf(1_000 + index));
    await lab.fundAll(payers.map(({ address }) => address));
  });
  after(() => lab.stop());

  /** A payee that nobody has paid before. */
  const freshPayee = (): Address => `0x${(0xfee_0000 + next++).toString(16).padStart(40, "0")}`;
  /** Somebody else hands an authorization to the token. */
  const submitAsStranger = (signed: SignedAuthorization) =>
    sender(lab.chain.request)({
      from: lab.chain.accounts[7]!.address,
      to: signed.token,
      data: encodeTransfer(signed, "vrs"),
    });
  const isQueued = ({ journal }: Served) => until(async () => (await journal.count()).queued === 1);
  const statusOf = async (served: Served, { token, from, nonce }: SignedAuthorization) => {
    const response = await served.get(`/payments/eip155:84532/${token}/${from}/${nonce}`);
    return { status: response.status, body: (await response.json()) as { payments: Record<string, unknown>[] } };
  };

  it("settles a payment, gives its place, and has its status afterwards", async () => {
    const signed = await authorize(payers[0]!, { to: freshPayee() });
    expect((await statusOf(facilitator, signed)).status).to.equal(404);
    const answer = await facilitator.settle(bodyV2(signed));
    expect(answer.body).to.include({ success: true, payer: signed.from, network: "eip155:84532" });
    expect(batchOf(answer)).to.include({ index: 0, size: 1, authorizationNonce: signed.nonce });
    const receipt = await lab.client.getTransactionReceipt({ hash: answer.body.transaction as Hex });
    const transfer = receipt.logs.find(({ logIndex }) => logIndex === batchOf(answer).logIndex);
    expect(transfer?.address.toLowerCase()).to.equal(signed.token.toLowerCase());
    expect(await lab.balanceOf(signed.to)).to.equal(1_000n);
    const { payments } = (await statusOf(facilitator, signed)).body;
    expect(payments).to.have.length(1);
    expect(payments[0]).to.include({ state: "settled", decided: true, successTold: true, amount: "1000" });
  });

  it("tells one success to ten who send the same bytes at once, and none to those who send them again", async () => {
    const signed = await authorize(payers[1]!, { to: freshPayee() });
    const answers = await Promise.all(Array.from({ length: 10 }, () => facilitator.settle(bodyV2(signed))));
    expect(successes(answers)).to.have.length(1);
    const others = answers.filter(({ body }) => body.success !== true).map(({ body }) => body.errorReason);
    expect(new Set(others)).to.deep.equal(new Set(["duplicate_settlement"]));
    expect((await facilitator.settle(bodyV2(signed))).body.errorReason).to.equal(USED);
    expect((await facilitator.settle(bodyV1(signed))).body.errorReason).to.equal("duplicate_settlement");
    expect(await lab.balanceOf(signed.to)).to.equal(1_000n);
  });

  it("binds a journalled payment to what is asked now, never to its signature alone", async () => {
    const signed = await authorize(payers[2]!, { to: freshPayee() });
    expect((await facilitator.settle(bodyV2(signed))).body.success).to.equal(true);
    const asked = async (requirements: object) =>
      (await facilitator.settle(bodyV2(signed, { ...requirements }))).body.errorReason;
    expect(await asked({ payTo: PAYEE })).to.equal("invalid_exact_evm_recipient_mismatch");
    expect(await asked({ amount: "2000" })).to.equal("invalid_exact_evm_payload_authorization_value_mismatch");
    expect(await asked({ asset: PAYEE })).to.equal("invalid_payment_requirements");
    const other = await authorize(payers[3]!);
    const forged = await facilitator.settle(bodyV2(signed, {}, {}, other.signature));
    expect(forged.body.errorReason).to.equal("invalid_exact_evm_signature");
  });

  it("settles one of two variants of a nonce", async () => {
    const to = freshPayee();
    const first = await authorize(payers[4]!, { to, value: 100n });
    const second = await authorize(payers[4]!, { to, value: 200n, nonce: first.nonce });
    const answers = await Promise.all([first, second].map((signed) => facilitator.settle(bodyV2(signed))));
    expect(successes(answers)).to.have.length(1);
    expect(answers.find(({ body }) => body.success !== true)?.body.errorReason).to.equal(USED);
    expect(await lab.balanceOf(to)).to.equal(successes([answers[0]!]).length === 1 ? 100n : 200n);
  });

  it("settles a payment that was refused for lack of money once the payer has it", async () => {
    const payer = payerOf(2_010);
    const signed = await authorize(payer, { to: freshPayee() });
    const refused = await facilitator.settle(bodyV2(signed));
    expect(refused.body.errorReason).to.equal("invalid_exact_evm_insufficient_balance");
    await lab.chain.fund(payer.address, 1_000n);
    expect((await facilitator.settle(bodyV2(signed))).body.success).to.equal(true);
  });

  it("counts what a stranger submitted after it was accepted, once; with strict as used; from before as used", async () => {
    const patient = await lab.serve({ engine: PATIENT });
    const strict = await lab.serve({ engine: PATIENT, policy: { strict: true } });
    const [after, strictly, earlier] = await Promise.all(
      payers.slice(52, 55).map((payer) => authorize(payer, { to: freshPayee() })),
    );
    const waiting = Promise.all([patient.settle(bodyV2(after!)), strict.settle(bodyV2(strictly!))]);
    await Promise.all([patient, strict].map(isQueued));
    await Promise.all([after!, strictly!, earlier!].map(submitAsStranger));
    for (const served of [patient, strict]) served.facilitator.engine.flush();
    const [settled, refused] = await waiting;
    expect(settled?.body.success).to.equal(true);
    expect(settled?.body.transaction).to.match(/^0x[0-9a-f]{64}$/);
    expect(settled?.body.extra).to.have.all.keys("level", "payment");
    expect((await patient.settle(bodyV2(after!))).body.errorReason).to.equal(USED);
    expect(refused?.body.errorReason).to.equal(USED);
    expect((await facilitator.settle(bodyV2(earlier!))).body.errorReason).to.equal(USED);
    expect(await patient.transactions()).to.equal(0);
  });

  it("tells a duplicate that it is one while the first caller waits, and takes back what was never sent", async () => {
    const answerWithinMs = 20_000;
    const penniless = await lab.serve({
      policy: { answerWithinMs },
      engine: { minimumSenderBalanceWei: 10n ** 30n },
    });
    const signed = await authorize(payers[56]!, { to: freshPayee() });
    const first = penniless.settle(bodyV2(signed));
    await isQueued(penniless);
    expect((await penniless.settle(bodyV2(signed))).body.errorReason).to.equal("duplicate_settlement");
    lab.clock.jump(answerWithinMs);
    expect((await first).body).to.include({ errorReason: "unexpected_settle_error", transaction: "" });
    expect((await statusOf(penniless, signed)).body.payments[0]).to.include({ state: "cancelled", successTold: false });
    const ready = await penniless.get("/ready");
    expect(ready.status).to.equal(503);
  });

  it("gives the place of a caller who hung up to the next who sends the same bytes", async () => {
    const patient = await lab.serve({ engine: PATIENT });
    const signed = await authorize(payers[57]!, { to: freshPayee() });
    const hangUp = new AbortController();
    const { signal } = hangUp;
    const body = JSON.stringify(bodyV2(signed));
    const lost = fetch(`${patient.url}/settle`, { method: "POST", headers: JSON_BODY, body, signal }).catch(
      () => undefined,
    );
    await isQueued(patient);
    hangUp.abort();
    await lost;
    // What nobody waits for is not sent.
    await until(async () => (await patient.journal.count()).queued === undefined);
    const again = patient.settle(bodyV2(signed));
    await isQueued(patient);
    patient.facilitator.engine.flush();
    expect((await again).body.success).to.equal(true);
    expect((await patient.settle(bodyV2(signed))).body.errorReason).to.equal(USED);
  });

  it("gives payees on its list one transaction for each payment", async () => {
    const to = freshPayee();
    const single = await lab.serve({ policy: { unbatchedPayees: [to] } });
    const payments = await Promise.all(payers.slice(0, 3).map((payer) => authorize(payer, { to })));
    const answers = await Promise.all(payments.map((signed) => single.settle(bodyV2(signed))));
    expect(successes(answers)).to.have.length(3);
    expect(new Set(answers.map(({ body }) => body.transaction)).size).to.equal(3);
    expect(await single.transactions()).to.equal(3);
    for (const answer of answers) expect(batchOf(answer)).to.include({ index: 0, size: 1 });
    expect((await single.settle(bodyV2(payments[0]!))).body.errorReason).to.equal(USED);
    const [status] = (await statusOf(single, payments[0]!)).body.payments;
    expect(status).to.include({ state: "settled", successTold: true, amount: "1000" });
    expect(await lab.balanceOf(to)).to.equal(3_000n);
  });

  it("verifies one payload 50 times at once with few requests to the node, each valid", async () => {
    let requests = 0;
    const client = await connectChain(lab.chain.rpcUrl, {
      transport: {
        batch: { batchSize: 100 },
        onFetchRequest: () => {
          requests += 1;
        },
      },
    });
    const journal = await openJournal(":memory:");
    const { createFacilitator } = await import("../../src/facilitator/index.ts");
    const account = privateKeyToAccount(lab.chain.accounts[2]!.privateKey);
    const alone = await createFacilitator(client, { journal, senders: [account], pace: { pollMs: 60_000 } });
    const body = JSON.stringify(bodyV2(await authorize(payers[0]!)));
    const before = requests;
    const answers = await Promise.all(
      Array.from({ length: 50 }, async () =>
        (await alone.app.request("/verify", { method: "POST", headers: JSON_BODY, body })).text(),
      ),
    );
    expect(answers.filter((text) => text.includes('"isValid":true'))).to.have.length(50);
    expect(requests - before).to.be.at.most(6);
    await alone.close({ graceMs: 0 });
    await journal.close();
  });

  it("closes its intake with 503 and Retry-After while those who wait are answered", async () => {
    const closing = await lab.serve();
    const signed = await authorize(payers[58]!, { to: freshPayee() });
    const waiting = closing.settle(bodyV2(signed));
    await until(async () => (await closing.journal.list({ limit: 1 })).length === 1);
    const closed = closing.facilitator.close({ graceMs: 600_000 });
    const late = await closing.settle(bodyV2(await authorize(payers[59]!)));
    expect(late.status).to.equal(503);
    expect(late.headers.get("retry-after")).to.equal("5");
    expect(late.body).to.include({ success: false, transaction: "" });
    expect((await waiting).body.success).to.equal(true);
    await closed;
  });
});
