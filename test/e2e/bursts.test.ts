import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type Address, encodeFunctionData } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";
import { privateKeyToAccount } from "viem/accounts";
import { connectChain } from "../../src/chain/client.ts";
import { mockUSDCArtifact } from "../../src/contracts/MockUSDC.ts";
import { parseMerchantKeys } from "../../src/facilitator/index.ts";
import { openJournal } from "../../src/journal/index.ts";
import { sender } from "../../src/local/transaction.ts";
import { BURNING_CODE, startFaultyNode } from "../helpers/chainLab.ts";
import { PATIENT, until } from "../helpers/engineLab.ts";
import {
  type Answer,
  authorize,
  bodyV1,
  bodyV2,
  type FacilitatorLab,
  openFacilitatorLab,
  payerOf,
  post,
} from "../helpers/facilitator.ts";

type Served = Awaited<ReturnType<FacilitatorLab["serve"]>>;

const KEY = "k".repeat(32);
const merchants = parseMerchantKeys(`shop=${KEY}`);
const asShop = { authorization: `Bearer ${KEY}` };
const USED = "invalid_exact_evm_nonce_already_used";
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const successes = (answers: readonly Answer[]) => answers.filter(({ body }) => body.success === true);
const batchOf = ({ body }: Answer) => (body.extra as { batch: Record<string, unknown> }).batch;

describe("bursts of payments", () => {
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

  it("settles 50 concurrent payments of 50 payers in one transaction", async () => {
    const to = freshPayee();
    const patient = await lab.serve({ engine: { ...PATIENT, fullBatch: 50 } });
    const payments = await Promise.all(payers.slice(0, 50).map((payer) => authorize(payer, { to })));
    const answers = await Promise.all(payments.map((signed) => patient.settle(bodyV2(signed))));
    expect(successes(answers)).to.have.length(50);
    expect(await patient.transactions()).to.equal(1);
    expect(new Set(answers.map(({ body }) => body.transaction)).size).to.equal(1);
    // Each has its own place.
    const places = answers.map((answer) => `${batchOf(answer).id} ${batchOf(answer).index}`);
    expect(new Set(places).size).to.equal(50);
    expect(new Set(answers.map((answer) => `${answer.body.transaction} ${batchOf(answer).logIndex}`)).size).to.equal(
      50,
    );
    expect(await lab.balanceOf(to)).to.equal(50_000n);
  });

  it("settles 50 concurrent payments of one payer in one transaction", async () => {
    const to = freshPayee();
    const patient = await lab.serve({ engine: { ...PATIENT, fullBatch: 50 } });
    const payments = await Promise.all(Array.from({ length: 50 }, () => authorize(payers[51]!, { to })));
    const answers = await Promise.all(payments.map((signed) => patient.settle(bodyV2(signed))));
    expect(successes(answers)).to.have.length(50);
    expect(await patient.transactions()).to.equal(1);
    expect(await lab.balanceOf(to)).to.equal(50_000n);
  });

  it("settles every good payment of a burst with bad ones, and says why each bad one failed", async () => {
    const to = freshPayee();
    const burner = payerOf(2_001);
    const blocked = payerOf(2_002);
    const abi = mockUSDCArtifact.abi;
    await Promise.all([lab.payer(2_001), lab.payer(2_002)]);
    await lab.chain.request("hardhat_setCode", [burner.address, BURNING_CODE]);
    const blacklist = encodeFunctionData({ abi, functionName: "blacklist", args: [blocked.address] });
    await sender(lab.chain.request)({ from: lab.chain.accounts[0]!.address, to: lab.chain.usdc, data: blacklist });

    const good = await Promise.all(payers.slice(0, 25).map((payer) => authorize(payer, { to })));
    const bad: readonly (readonly [object, string])[] = [
      ...(await Promise.all(
        Array.from({ length: 4 }, async (_, index) => {
          const signed = await authorize(payerOf(3_000 + index), { to });
          return [bodyV2(signed), "invalid_exact_evm_insufficient_balance"] as const;
        }),
      )),
      [bodyV2(await authorize(blocked, { to })), "invalid_exact_evm_transaction_failed"],
      [bodyV2(await authorize(burner, { to })), "invalid_exact_evm_signature"],
      [bodyV2(await authorize(payers[26]!, { to }), {}, {}, good[0]!.signature), "invalid_exact_evm_signature"],
    ];
    const [goodAnswers, badAnswers] = await Promise.all([
      Promise.all(good.map((signed) => facilitator.settle(bodyV2(signed)))),
      Promise.all(bad.map(([body]) => facilitator.settle(body))),
    ]);
    expect(successes(goodAnswers)).to.have.length(25);
    expect(badAnswers.map(({ body }) => body.errorReason)).to.deep.equal(bad.map(([, reason]) => reason));
    expect(await lab.balanceOf(to)).to.equal(25_000n);
  });

  it("refuses at once what a payer's balance does not cover besides their other payments, and settles the rest", async () => {
    const to = freshPayee();
    const payer = payerOf(2_100);
    await lab.chain.fund(payer.address, 20_500n);
    const payments = await Promise.all(Array.from({ length: 50 }, () => authorize(payer, { to })));
    // The unsettled payments come to 976 thousandths of the balance; from 800 on they would be settled at once.
    const patient = await lab.serve({ engine: { ...PATIENT, exposurePermille: 990n } });
    let answered = 0;
    const answering = payments.map(async (signed) => {
      const answer = await patient.settle(bodyV2(signed));
      answered += 1;
      return answer;
    });
    // At once: nothing is sent yet.
    await until(() => answered === 30, "30 are refused");
    expect((await patient.journal.count()).queued).to.equal(20);
    const next = await authorize(payer, { to, value: 501n });
    expect((await patient.verify(bodyV2(next))).body).to.include({
      isValid: false,
      invalidReason: "invalid_exact_evm_insufficient_balance",
      invalidMessage: "the payer has 20500, of which unsettled payments take 20000 and this one 501",
    });
    expect((await patient.verify(bodyV1(next))).body.invalidReason).to.equal("insufficient_funds");
    const fits = await authorize(payer, { to, value: 500n });
    expect((await patient.verify(bodyV2(fits))).body.isValid).to.equal(true);
    // What already waits is not counted twice.
    expect((await patient.verify(bodyV2(payments[0]!))).body.isValid).to.equal(true);
    patient.facilitator.engine.flush();
    const refused = (await Promise.all(answering)).filter(({ body }) => body.success === false);
    expect(refused).to.have.length(30);
    for (const { body } of refused) {
      expect(body).to.include({ errorReason: "invalid_exact_evm_insufficient_balance", transaction: "" });
    }
    expect(await lab.balanceOf(to)).to.equal(20_000n);
    expect((await patient.settle(bodyV2(fits))).body.success).to.equal(true);
    expect(await lab.balanceOf(payer.address)).to.equal(0n);
  });

  it("does not count a payment that is mined, and not concluded yet, against its payer's balance", async () => {
    const to = freshPayee();
    const payer = payerOf(2_101);
    await lab.chain.fund(payer.address, 10_000n);
    // Its node reports nothing that is mined until this test has looked.
    let isTold = false;
    const node = await startFaultyNode(lab.chain.rpcUrl, ({ method }) =>
      method === "eth_getTransactionReceipt" && !isTold ? { result: null } : "pass",
    );
    const client = await connectChain(node.rpcUrl, { pollingIntervalMs: 50 });
    const slow = await lab.serve({ client });
    const [first, second] = await Promise.all([6_000n, 4_000n].map((value) => authorize(payer, { to, value })));
    await lab.holdBlocks();
    const settling = slow.settle(bodyV2(first!));
    await until(async () => (await slow.journal.count()).submitted === 1, "it is sent");
    await until(async () => (await lab.chain.request("eth_getBlockTransactionCountByNumber", ["pending"])) === "0x1");
    await lab.chain.request("evm_mine");
    expect(await lab.balanceOf(to)).to.equal(6_000n);
    expect((await slow.verify(bodyV2(second!))).body.isValid).to.equal(true);
    expect((await slow.journal.list({ limit: 1 }))[0]?.state).to.equal("submitted");
    isTold = true;
    await lab.resumeBlocks();
    const answers = await Promise.all([settling, slow.settle(bodyV2(second!))]);
    expect(successes(answers)).to.have.length(2);
    expect(await lab.balanceOf(payer.address)).to.equal(0n);
    await slow.close();
    await node.stop();
  });

  it("answers settlement_pending with the hash within its bound, and the outcome once to the next", async () => {
    const answerWithinMs = 20_000;
    const hasty = await lab.serve({ policy: { answerWithinMs }, engine: { replaceAfterMs: 600_000 } });
    const signed = await authorize(payers[55]!, { to: freshPayee() });
    await lab.holdBlocks();
    const first = hasty.settle(bodyV2(signed));
    await until(async () => (await hasty.journal.count()).submitted === 1, "it is sent");
    expect((await hasty.settle(bodyV2(signed))).body.errorReason).to.equal("duplicate_settlement");
    lab.clock.jump(answerWithinMs);
    const { body } = await first;
    expect(body).to.include({ success: false, errorReason: "settlement_pending" });
    expect((body.extra as { payment: string }).payment).to.match(/^\/payments\/eip155:84532\/0x/);
    expect(body.transaction).to.match(/^0x[0-9a-f]{64}$/);
    const again = hasty.settle(bodyV2(signed));
    await lab.resumeBlocks();
    await lab.chain.request("evm_mine");
    expect((await again).body).to.include({ success: true, transaction: body.transaction });
    expect((await hasty.settle(bodyV2(signed))).body.errorReason).to.equal(USED);
  });

  it("restarts in the middle of a burst: every payment settles once or is really taken back", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tributary-"));
    const path = join(folder, "journal.db");
    const to = freshPayee();
    const account = privateKeyToAccount(lab.chain.accounts[3]!.privateKey);
    const payments = await Promise.all(payers.slice(0, 30).map((payer) => authorize(payer, { to })));
    const journal = await openJournal(path);
    const first = await lab.serveAs(account, { journal, merchants });
    const waiting = payments.slice(0, 15).map((signed) => post(`${first.url}/settle`, bodyV2(signed), asShop));
    await until(async () => (await journal.lastTxNonce(84532, account.address)) !== undefined, "something is sent");
    waiting.push(...payments.slice(15).map((signed) => post(`${first.url}/settle`, bodyV2(signed), asShop)));
    await pause(100);
    await first.close();
    const answers = await Promise.all(waiting);
    await journal.close();
    for (const { status, body } of answers) {
      expect(
        body.success === true || status === 503 || body.errorReason === "settlement_pending" || body.transaction === "",
      ).to.equal(true);
    }

    const again = await openJournal(path);
    const second = await lab.serveAs(account, { journal: again, merchants });
    const later = await Promise.all(payments.map((signed) => post(`${second.url}/settle`, bodyV2(signed), asShop)));
    const told = payments.map((_, index) => successes([answers[index]!, later[index]!]).length);
    expect(Math.max(...told)).to.equal(1);
    // Pending means sent, and in the end the merchant who brought it is told what became of it.
    for (const [index, { body }] of answers.entries()) {
      if (body.errorReason === "settlement_pending") {
        expect(told[index], JSON.stringify(later[index]?.body)).to.equal(1);
      }
    }
    const settled = told.filter((count) => count === 1).length;
    expect(settled).to.be.above(0);
    expect(await lab.balanceOf(to)).to.equal(1_000n * BigInt(settled));
    await second.close();
    await again.close();
    await rm(folder, { recursive: true });
  });

  it("counts what it did", async () => {
    const text = await (await facilitator.get("/metrics")).text();
    expect(text).to.match(/tributary_settlements_total\{version="2",outcome="settled",reason=""\} [1-9]/);
    expect(text).to.match(/tributary_batch_payments_count [1-9]/);
    expect(text).to.match(/tributary_payment_gas_count [1-9]/);
    expect(text).to.match(/tributary_sender_balance_ether\{sender="0x[0-9a-fA-F]{40}"\} 9999/);
    expect(text).to.match(/tributary_journal_payments\{state="settled"\} [1-9]/);
  });
});
