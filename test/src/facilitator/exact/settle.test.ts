import { expect } from "chai";
import type { Hex } from "viem";
import { createAdmission } from "../../../../src/facilitator/admission/admission.ts";
import { type FacilitatorPolicy, resolveFacilitatorPolicy } from "../../../../src/facilitator/admission/policy.ts";
import { QuotaError } from "../../../../src/facilitator/admission/quota.ts";
import { CallerGoneError } from "../../../../src/facilitator/callers/bringers.ts";
import type { Caller } from "../../../../src/facilitator/callers/caller.ts";
import { type Merchant, parseMerchantKeys } from "../../../../src/facilitator/callers/merchants.ts";
import { createSettler, type Settlement, type SettlePort } from "../../../../src/facilitator/exact/settle.ts";
import type { Verdict } from "../../../../src/facilitator/exact/verdict.ts";
import { type ExactRequest, readExact } from "../../../../src/facilitator/wire/body.ts";
import {
  type Evidence,
  type Journal,
  JournalError,
  openJournal,
  type PaymentState,
} from "../../../../src/journal/index.ts";
import { silentLogger } from "../../../../src/logger.ts";
import type { Reason } from "../../../../src/reasons.ts";
import { EngineBusyError, EngineClosedError } from "../../../../src/settlement/engine/errors.ts";
import { authorize, bodyV2, payerOf, type Terms } from "../../../helpers/facilitator.ts";
import { createFakeEngine, type FakeEngine } from "../../../helpers/fakeEngine.ts";
import { createFakeNode, type FakeNode } from "../../../helpers/fakeNode.ts";
import { createHandClock, type HandClock } from "../../../helpers/handClock.ts";
import { until } from "../../../helpers/until.ts";
import { hashOf } from "../../journal/fixtures.ts";

const CHAIN = 84532;
const USED = "invalid_exact_evm_nonce_already_used";
const DUPLICATE = "duplicate_settlement";
const ANSWER_MS = 55_000;
const HOLD_MS = 10_000;
const [shop] = parseMerchantKeys(`shop=${"s".repeat(40)}`) as [Merchant];
const asShop: Caller = { merchant: shop, address: "10.0.0.1", request: "r" };
const asShopKeyed: Caller = { ...asShop, idempotencyKey: "order-1" };
/** Somebody without a key who sends one request. */
const anybody = (request: string): Caller => ({ merchant: undefined, address: "10.0.0.2", request });

describe("createSettler", () => {
  let journal: Journal;
  let clock: HandClock;
  let engine: FakeEngine;
  let node: FakeNode;
  let stopping: AbortController;
  let verdict: Verdict | undefined;
  beforeEach(async () => {
    journal = await openJournal(":memory:");
    clock = createHandClock(Date.now());
    engine = createFakeEngine(journal, clock);
    node = createFakeNode();
    stopping = new AbortController();
    verdict = { isValid: true };
  });
  afterEach(async () => {
    clock.stop();
    await journal.close();
  });

  /** A settler; its requests count as verified unless `verdict` says otherwise. */
  function open(change: { policy?: Partial<FacilitatorPolicy>; journal?: Partial<Journal> } = {}) {
    const policy = resolveFacilitatorPolicy(CHAIN, change.policy);
    const { client } = node;
    const written = { ...journal, ...change.journal };
    const port: SettlePort = {
      ...{ client, engine, clock, policy },
      journal: written,
      logger: silentLogger,
      addresses: () => [],
      checks: { note: () => undefined, recall: () => verdict },
      admission: createAdmission({ journal: written, clock, client, policy, batches: true }),
      stopping: stopping.signal,
    };
    return createSettler(port);
  }

  let next = 1;
  async function payment(terms: Terms = {}): Promise<ExactRequest> {
    const { paymentPayload, paymentRequirements } = bodyV2(await authorize(payerOf(next++), terms));
    const read = readExact(paymentPayload, paymentRequirements);
    if (!read.ok) throw new Error(read.problem);
    return read.value;
  }

  /** Settles, and returns the answer with the payment's number, once it is stored. */
  async function begin(
    settle: ReturnType<typeof createSettler>,
    request: ExactRequest,
    options: Parameters<typeof settle>[1] = {},
  ): Promise<{ readonly answer: Promise<Settlement>; readonly id: number }> {
    let answer: Promise<Settlement> | undefined;
    const id = await new Promise<number>((resolve, reject) => {
      answer = settle(request, { ...options, onPayment: resolve });
      answer.then((settlement) => reject(new Error(JSON.stringify(settlement.status))), reject);
    });
    return { answer: answer!, id };
  }

  const stateOf = async (id: number): Promise<PaymentState | undefined> => (await journal.payment(id))?.state;
  const failureOf = (promise: Promise<unknown>) =>
    promise.then(
      () => undefined,
      (error: unknown) => error,
    );
  const untilAwaited = (id: number) => until(() => engine.isAwaited(id), "somebody waits");
  /** Lets the time pass that a caller waits for a payment. */
  async function letAnswerTimePass(id: number): Promise<void> {
    await untilAwaited(id);
    clock.set(clock.now() + ANSWER_MS);
  }

  it("stores payments together that come close together while there is time to spare", async () => {
    engine.spare = 400;
    const settle = open();
    const requests = [await payment(), await payment(), await payment()];
    const [first, ...rest] = requests.map((request) => begin(settle, request));
    await first;
    expect(engine.submitted).to.have.length(1);
    await rest[0];
    expect(engine.submitted).to.have.length(3);
    for (const { id, answer } of await Promise.all([first!, ...rest])) {
      await engine.settle(id);
      expect(await answer).to.include({ status: "settled" });
    }
  });

  it("verifies nothing while a round for the next block is under way, and goes on after it", async () => {
    let end = (): void => undefined;
    engine.round = new Promise((resolve) => {
      end = resolve;
    });
    const begun = begin(open(), await payment());
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(engine.submitted).to.deep.equal([]);
    end();
    const { id, answer } = await begun;
    await engine.settle(id);
    expect(await answer).to.include({ status: "settled" });
  });

  describe("the outcome of a payment", () => {
    it("answers with the transaction and the place in its batch, once it is settled", async () => {
      const request = await payment();
      const { answer, id } = await begin(open(), request, { source: "x402:one", caller: anybody("a") });
      const transaction = await engine.send(id);
      await engine.settle(id);
      const settled = await answer;
      expect(settled).to.include({ status: "settled", transaction });
      expect(settled)
        .to.have.property("place")
        .that.deep.includes({
          ...{ index: 0, size: 1, logIndex: 3 },
          authorizationNonce: request.authorization.nonce,
        });
      const [submission] = engine.submitted;
      expect(submission).to.include({ source: "x402:one", bringer: undefined, alone: false });
      expect(submission?.recoveredUnder).to.deep.equal(request.required.domain);
      expect((await journal.payment(id))?.consumedAtMs).to.equal(clock.now());
    });

    it("answers on a preconfirmation where that is enough, by the policy or for the merchant", async () => {
      const quick: Caller = { ...asShop, merchant: { ...shop, level: "preconfirmed" } };
      const sure: Caller = { ...asShop, merchant: { ...shop, level: "included" } };
      for (const [policy, caller, isEnough] of [
        [{}, quick, true],
        [{ level: "preconfirmed" }, anybody("a"), true],
        [{ level: "preconfirmed" }, sure, false],
        [{}, asShop, false],
      ] as const) {
        const request = await payment();
        const { answer, id } = await begin(open({ policy }), request, { caller });
        const transaction = await engine.send(id);
        await engine.preconfirm(id);
        if (!isEnough) await engine.settle(id);
        const level = isEnough ? "preconfirmed" : "included";
        const settled = await answer;
        expect(settled).to.include({ status: "settled", transaction, level });
        expect(settled).to.have.property("place").that.deep.includes({ index: 0, size: 1, logIndex: 3 });
        expect((await journal.payment(id))?.consumedAtMs).to.equal(clock.now());
      }
    });

    it("tells a success once, also if the block says the same afterwards", async () => {
      const settle = open({ policy: { level: "preconfirmed" } });
      const request = await payment();
      const { answer, id } = await begin(settle, request, { caller: anybody("a") });
      await engine.send(id);
      const transaction = await engine.preconfirm(id);
      expect(await answer).to.include({ status: "settled" });
      expect(await settle(request, { caller: anybody("a") })).to.deep.include({ status: "failed", reason: USED });
      await engine.settle(id);
      expect(await settle(request, { caller: anybody("a") })).to.deep.include({
        ...{ status: "failed", reason: USED, transaction },
      });
    });

    it("waits on if a preconfirmation is taken back before its success is told", async () => {
      let takesBack = true;
      const consume: Journal["consume"] = async (id, nowMs, by) => {
        if (takesBack)
          await engine.decide(id, "submitted", { ...lost, transactionHash: hashOf("tx"), blockNumber: 11n });
        takesBack = false;
        return journal.consume(id, nowMs, by);
      };
      const settle = open({ policy: { level: "preconfirmed" }, journal: { consume } });
      const { answer, id } = await begin(settle, await payment());
      await engine.send(id);
      await engine.preconfirm(id);
      await until(() => !takesBack && engine.isAwaited(id), "it waits again");
      expect((await journal.payment(id))?.consumedAtMs).to.equal(undefined);
      const transaction = await engine.settle(id);
      expect(await answer).to.include({ status: "settled", level: "included", transaction });
    });

    const lost = { kind: "preconfirmation-lost" } as const;
    const sent = { transactionHash: hashOf("tx mined"), blockNumber: 11n };
    const refusal = (message: string, transactionHash?: Hex): Evidence => ({
      ...{ kind: "refusal", reason: "given", message, transactionHash, blockNumber: 11n, data: "0x" },
    });
    const outcomes: readonly (readonly [
      to: PaymentState,
      reason: string | undefined,
      evidence: Evidence,
      expected: { readonly reason: string; readonly transaction?: Hex },
    ])[] = [
      ["rejected", "bad-signature", refusal("bad"), { reason: "invalid_exact_evm_signature" }],
      ["rejected", "underfunded", refusal("poor"), { reason: "invalid_exact_evm_insufficient_balance" }],
      ["rejected", "over-committed", refusal("poor"), { reason: "invalid_exact_evm_insufficient_balance" }],
      [
        "rejected",
        "not-yet-valid",
        refusal("early"),
        { reason: "invalid_exact_evm_payload_authorization_valid_after" },
      ],
      [
        "rejected",
        "expires-too-soon",
        refusal("late"),
        { reason: "invalid_exact_evm_payload_authorization_valid_before" },
      ],
      ["rejected", "already-used", refusal("used"), { reason: USED }],
      ["rejected", "missing-token", refusal("none"), { reason: "asset_not_deployed_contract" }],
      [
        ...(["rejected", "blocked", refusal("the token refused it", sent.transactionHash)] as const),
        { reason: "invalid_exact_evm_transaction_failed", transaction: sent.transactionHash },
      ],
      [
        ...(["expired", undefined, { kind: "deadline", blockNumber: 11n, blockTimestamp: 1n, final: true }] as const),
        { reason: "invalid_exact_evm_payload_authorization_valid_before" },
      ],
      [
        ...(["already-used", undefined] as const),
        { kind: "nonce-use", use: "used-by-variant", logIndex: 1, ...sent },
        { reason: USED, transaction: sent.transactionHash },
      ],
      [
        ...(["cancelled", undefined, { kind: "nonce-use", use: "cancelled", logIndex: 1, ...sent }] as const),
        { reason: USED, transaction: sent.transactionHash },
      ],
      ["cancelled", undefined, { kind: "request", by: "an operator" }, { reason: "unexpected_settle_error" }],
    ];
    for (const [to, reason, evidence, expected] of outcomes) {
      it(`says why a payment failed that is ${to}${reason === undefined ? "" : ` as ${reason}`} (${evidence.kind})`, async () => {
        const { answer, id } = await begin(open(), await payment());
        await engine.decide(id, to, evidence, reason);
        expect(await answer).to.deep.include({ status: "failed", ...expected });
      });
    }

    it("counts a payment that somebody else submitted as settled, unless the operator or the merchant is strict", async () => {
      const elsewhere: Evidence = { kind: "nonce-use", use: "settled", logIndex: 1, ...sent };
      const ask = async (policy: Partial<FacilitatorPolicy>, caller?: Caller) => {
        const { answer, id } = await begin(open({ policy }), await payment(), { caller });
        await engine.decide(id, "settled-elsewhere", elsewhere);
        return answer;
      };
      const transaction = sent.transactionHash;
      expect(await ask({})).to.include({ status: "settled", transaction, place: undefined });
      const strict = { status: "failed", reason: USED, transaction };
      expect(await ask({ strict: true })).to.include(strict);
      expect(await ask({}, { ...asShop, merchant: { ...shop, strict: true } })).to.include(strict);
    });
  });

  describe("what is not accepted", () => {
    const refusals: readonly (readonly [Reason, string])[] = [
      ["already-used", USED],
      ["expired", "invalid_exact_evm_payload_authorization_valid_before"],
      ["payer-cap", "invalid_transaction_state"],
      ["underfunded", "invalid_exact_evm_insufficient_balance"],
      ["undeployed-wallet", "eip6492_factory_not_allowed"],
      ["missing-token", "invalid_exact_evm_eip3009_not_supported"],
      ["blocked", "invalid_exact_evm_signature"],
    ];
    for (const [refusal, reason] of refusals) {
      it(`says so in the words of x402 if the engine refuses it as ${refusal}`, async () => {
        engine.refuses = refusal;
        const answer = await open()(await payment());
        expect(answer).to.include({ status: "failed", reason, message: `refused: ${refusal}` });
        expect(await journal.count()).to.deep.equal({});
      });
    }

    it("takes the official reason, with the engine's message, if the official simulation fails too", async () => {
      engine.refuses = "blocked";
      node.mood = "reverts";
      const answer = await open()(await payment());
      expect(answer).to.include({ status: "failed", message: "refused: blocked" });
      expect(answer)
        .to.have.property("reason")
        .that.matches(/^invalid_exact_evm_/);
    });

    it("stores nothing that verification refuses, and says what the engine knows about it", async () => {
      verdict = { isValid: false, reason: "invalid_exact_evm_signature", message: "not theirs" };
      expect(await open()(await payment())).to.include({
        reason: "invalid_exact_evm_signature",
        message: "not theirs",
      });
      verdict = { isValid: false, reason: "invalid_exact_evm_insufficient_balance", message: undefined };
      engine.explains = "underfunded";
      expect(await open()(await payment())).to.include({ message: "explained: underfunded" });
      expect(engine.submitted).to.deep.equal([]);
    });

    it("refuses an asset, a payee and a time by the operator's rules before anything is asked of the engine", async () => {
      verdict = undefined;
      const late = BigInt(Math.floor(clock.now() / 1000)) + 86_500n;
      expect(await open()(await payment({ validBefore: late }))).to.include({
        reason: "invalid_exact_evm_payload_authorization_valid_before",
      });
      expect(await open({ policy: { assets: [] } })(await payment())).to.include({ status: "failed" });
      expect(engine.submitted).to.deep.equal([]);
    });

    it("throws if the node does not answer: nothing is known against the payment", async () => {
      verdict = undefined;
      node.mood = "down";
      expect(await failureOf(open()(await payment()))).to.have.property("name", "ChainUnavailableError");
    });

    it("gives back what it counted if the engine is busy or fails, and keeps it if it accepts", async () => {
      const caller: Caller = { ...asShop, merchant: { ...shop, paymentsPerDay: 1 } };
      const settle = open();
      for (const error of [new EngineBusyError("busy"), new EngineClosedError("closed"), new Error("broken")]) {
        engine.refuses = error;
        expect(await failureOf(settle(await payment(), { caller }))).to.equal(error);
      }
      engine.refuses = "underfunded";
      expect(await settle(await payment(), { caller })).to.include({ status: "failed" });
      engine.refuses = undefined;
      const { answer, id } = await begin(settle, await payment(), { caller });
      await engine.settle(id);
      expect(await answer).to.include({ status: "settled" });
      const refused = await failureOf(settle(await payment(), { caller }));
      expect(refused).to.be.instanceOf(QuotaError);
      expect(refused).to.have.property("retryAfterSeconds").that.is.above(0);
    });

    it("gives back what it counted for a payment that was taken out of the queue", async () => {
      const caller: Caller = { ...asShop, merchant: { ...shop, paymentsPerDay: 1 } };
      const settle = open();
      const { answer, id } = await begin(settle, await payment(), { caller });
      await letAnswerTimePass(id);
      expect(await answer).to.include({ status: "failed" });
      const second = await begin(settle, await payment(), { caller });
      await engine.settle(second.id);
      expect(await second.answer).to.include({ status: "settled" });
    });
  });

  describe("what is not decided in time", () => {
    it("takes back what was never sent", async () => {
      const { answer, id } = await begin(open(), await payment());
      await letAnswerTimePass(id);
      expect(await answer).to.include({ status: "failed", reason: "unexpected_settle_error" });
      expect(await stateOf(id)).to.equal("cancelled");
    });

    it("answers that it is pending, with the transaction, if it was sent", async () => {
      const { answer, id } = await begin(open(), await payment());
      const transaction = await engine.send(id);
      await letAnswerTimePass(id);
      expect(await answer).to.deep.equal({ status: "pending", transaction });
      expect(await stateOf(id)).to.equal("submitted");
    });

    it("waits to the millisecond", async () => {
      const settle = open();
      const { answer, id } = await begin(settle, await payment());
      await engine.send(id);
      await untilAwaited(id);
      clock.set(clock.now() + ANSWER_MS - 1);
      await engine.settle(id);
      expect(await answer).to.include({ status: "settled" });
    });

    for (const [what, stop] of [
      ["the facilitator stops", () => stopping.abort()],
      ["the engine closes", () => engine.fail(new EngineClosedError("closed"))],
    ] as const) {
      it(`answers at once if ${what}`, async () => {
        const [queued, sent] = [await begin(open(), await payment()), await begin(open(), await payment())];
        const transaction = await engine.send(sent.id);
        for (const { id } of [queued, sent]) await untilAwaited(id);
        stop();
        expect(await queued.answer).to.include({ status: "failed", reason: "unexpected_settle_error" });
        expect(await sent.answer).to.deep.equal({ status: "pending", transaction });
      });
    }

    it("throws any other error that occurs while it waits", async () => {
      const { answer, id } = await begin(open(), await payment());
      await untilAwaited(id);
      const broken = new Error("broken");
      engine.fail(broken);
      expect(await failureOf(answer)).to.equal(broken);
    });
  });

  describe("who is told of a success", () => {
    it("tells one of two callers who ask at once", async () => {
      const settle = open();
      const request = await payment();
      const { answer, id } = await begin(settle, request, { caller: anybody("a") });
      for (const caller of [anybody("a"), anybody("b"), asShop, undefined]) {
        expect(await settle(request, { caller })).to.include({ status: "failed", reason: DUPLICATE });
      }
      const transaction = await engine.settle(id);
      expect(await answer).to.include({ status: "settled", transaction });
      for (const caller of [anybody("a"), anybody("b"), asShop, undefined]) {
        expect(await settle(request, { caller })).to.include({ status: "failed", reason: USED, transaction });
      }
      expect(engine.submitted).to.have.length(1);
    });

    it("tells it once if two processes take it from one journal", async () => {
      const request = await payment();
      const first = await begin(open(), request, { caller: asShop });
      const second = await begin(open(), request, { caller: asShop });
      expect(second.id).to.equal(first.id);
      await engine.settle(first.id);
      const answers = await Promise.all([first.answer, second.answer]);
      expect(answers.map(({ status }) => status).sort()).to.deep.equal(["failed", "settled"]);
      expect(answers.find(({ status }) => status === "failed")).to.include({ reason: USED });
    });

    it("tells a merchant as often as it asks under its Idempotency-Key, and once without one", async () => {
      for (const [caller, again] of [
        [asShop, { status: "failed", reason: USED }],
        [asShopKeyed, { status: "settled" }],
      ] as const) {
        const settle = open();
        const request = await payment();
        const { answer, id } = await begin(settle, request, { caller });
        await engine.settle(id);
        expect(await answer).to.include({ status: "settled" });
        expect(await settle(request, { caller })).to.include(again);
      }
    });

    it("binds an Idempotency-Key to one payment, before anything is asked of the engine", async () => {
      const settle = open();
      const { answer, id } = await begin(settle, await payment(), { caller: asShopKeyed });
      await engine.settle(id);
      await answer;
      const other = await failureOf(settle(await payment(), { caller: asShopKeyed }));
      expect(other).to.have.property("name", "ClaimConflictError");
      const malformed = await failureOf(
        settle(await payment(), { caller: { ...asShop, idempotencyKey: "two words" } }),
      );
      expect(malformed).to.have.property("name", "MalformedHeaderError");
      expect(engine.submitted).to.have.length(1);
    });

    it("holds it for the identical request for ten seconds after an answer that is not final, and for no other", async () => {
      const settle = open();
      const request = await payment();
      const { answer, id } = await begin(settle, request, { caller: anybody("a") });
      await engine.send(id);
      await letAnswerTimePass(id);
      expect(await answer).to.include({ status: "pending" });
      const transaction = await engine.settle(id);
      clock.set(clock.now() + HOLD_MS - 1);
      expect(await settle(request, { caller: anybody("b") })).to.include({ reason: DUPLICATE, transaction });
      expect(await settle(request, { caller: anybody("a") })).to.include({ status: "settled", transaction });
      expect(await settle(request, { caller: anybody("a") })).to.include({ reason: USED });
    });

    it("tells nobody without a name after the ten seconds", async () => {
      const settle = open();
      const request = await payment();
      const { answer, id } = await begin(settle, request, { caller: anybody("a") });
      await engine.send(id);
      await letAnswerTimePass(id);
      await answer;
      await engine.settle(id);
      clock.set(clock.now() + HOLD_MS);
      expect(await settle(request, { caller: anybody("a") })).to.include({ status: "failed", reason: USED });
      expect((await journal.payment(id))?.consumedAtMs).to.equal(undefined);
    });

    it("keeps a success that the journal could not return, for the same caller", async () => {
      const fault = new JournalError("busy", "The journal is busy.");
      let isBusy = true;
      const consume: Journal["consume"] = (...given) => {
        if (isBusy) throw fault;
        return journal.consume(...given);
      };
      const settle = open({ journal: { consume } });
      const request = await payment();
      const { answer, id } = await begin(settle, request, { caller: anybody("a") });
      await engine.settle(id);
      expect(await failureOf(answer)).to.equal(fault);
      isBusy = false;
      expect(await settle(request, { caller: anybody("b") })).to.include({ reason: DUPLICATE });
      expect(await settle(request, { caller: anybody("a") })).to.include({ status: "settled" });
    });

    it("throws an error of the journal that occurs before anything is stored", async () => {
      const fault = new JournalError("unavailable", "The journal cannot be reached.");
      const settle = open({ journal: { variants: () => Promise.reject(fault) } });
      expect(await failureOf(settle(await payment()))).to.equal(fault);
      expect(engine.submitted).to.deep.equal([]);
    });

    it("requires the signature that a payment was accepted with, and its terms", async () => {
      const settle = open();
      const request = await payment();
      const { answer, id } = await begin(settle, request, { caller: asShopKeyed });
      await engine.settle(id);
      await answer;
      const forged = { ...request, signature: `0x${"22".repeat(65)}` as const };
      expect(await settle(forged, { caller: asShop })).to.include({ reason: "invalid_exact_evm_signature" });
      const cheaper = { ...request, required: { ...request.required, amount: 1n } };
      expect(await settle(cheaper, { caller: asShop })).to.include({ status: "failed" });
      const { required } = request;
      const elsewhere = { ...request, required: { ...required, network: "eip155:8453" } };
      expect(await settle(elsewhere, { caller: asShop })).to.include({ status: "failed" });
    });
  });

  describe("a payment that moved nothing", () => {
    it("may be brought again by anybody, once it would settle", async () => {
      const settle = open();
      const request = await payment();
      const first = await begin(settle, request, { caller: anybody("a") });
      await engine.decide(first.id, "rejected", {
        ...{ kind: "refusal", reason: "underfunded", message: "poor", data: "0x", blockNumber: 11n },
        transactionHash: undefined,
      });
      await first.answer;
      node.mood = "reverts";
      expect(await settle(request, { caller: anybody("b") })).to.include({ status: "failed" });
      node.mood = "well";
      const second = settle(request, { caller: anybody("b") });
      await until(async () => (await stateOf(first.id)) === "queued", "it is queued again");
      await engine.settle(first.id);
      expect(await second).to.include({ status: "settled" });
    });

    it("stays with its merchant", async () => {
      const settle = open();
      const request = await payment();
      const { answer, id } = await begin(settle, request, { caller: asShop });
      await letAnswerTimePass(id);
      await answer;
      expect(await stateOf(id)).to.equal("cancelled");
      expect(await settle(request, { caller: anybody("b") })).to.include({ reason: "unexpected_settle_error" });
      const again = settle(request, { caller: asShop });
      await until(async () => (await stateOf(id)) === "queued", "it is queued again");
      await engine.settle(id);
      expect(await again).to.include({ status: "settled" });
    });
  });

  describe("a caller who leaves", () => {
    it("leaves nothing behind if nothing is stored", async () => {
      const gone = AbortSignal.abort();
      expect(await failureOf(open()(await payment(), { signal: gone }))).to.be.instanceOf(CallerGoneError);
      expect(engine.submitted).to.deep.equal([]);
    });

    it("causes unsent payments to leave the queue", async () => {
      const away = new AbortController();
      const { answer, id } = await begin(open(), await payment(), { signal: away.signal });
      await untilAwaited(id);
      away.abort();
      expect(await failureOf(answer)).to.be.instanceOf(CallerGoneError);
      expect(await stateOf(id)).to.equal("cancelled");
    });

    it("keeps the place of what was sent, and is told its success by the same request", async () => {
      const away = new AbortController();
      const kept: Promise<unknown>[] = [];
      const seat = { waits: () => undefined, keep: (until: Promise<unknown>) => void kept.push(until) };
      const settle = open();
      const request = await payment();
      const { answer, id } = await begin(settle, request, { signal: away.signal, caller: anybody("a"), seat });
      await engine.send(id);
      await untilAwaited(id);
      away.abort();
      expect(await failureOf(answer)).to.be.instanceOf(CallerGoneError);
      expect(kept).to.have.length(1);
      await engine.settle(id);
      expect(await kept[0]).to.include({ id, state: "settled" });
      expect(await settle(request, { caller: anybody("b") })).to.include({ reason: DUPLICATE });
      expect(await settle(request, { caller: anybody("a") })).to.include({ status: "settled" });
    });

    it("does not take the success that comes while they leave", async () => {
      const away = new AbortController();
      const settle = open({
        journal: {
          batch: async (id) => {
            away.abort();
            return journal.batch(id);
          },
        },
      });
      const request = await payment();
      const { answer, id } = await begin(settle, request, { signal: away.signal, caller: anybody("a") });
      await engine.send(id);
      await engine.settle(id);
      expect(await failureOf(answer)).to.be.instanceOf(CallerGoneError);
      expect((await journal.payment(id))?.consumedAtMs).to.equal(undefined);
      expect(await settle(request, { caller: anybody("a") })).to.include({ status: "settled" });
    });
  });
});
