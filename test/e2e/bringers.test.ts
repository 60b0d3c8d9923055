import { request } from "node:http";
import { expect } from "chai";
import type { Hex } from "viem";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import { type Merchant, parseMerchantKeys } from "../../src/facilitator/index.ts";
import { openJournal } from "../../src/journal/index.ts";
import {
  type Answer,
  authorize,
  bodyV2,
  type FacilitatorLab,
  openFacilitatorLab,
  payerOf,
  post,
} from "../helpers/facilitator.ts";
import { until } from "../helpers/until.ts";

type Served = Awaited<ReturnType<FacilitatorLab["serve"]>>;
type Change = NonNullable<Parameters<FacilitatorLab["serve"]>[0]>;

const USED = "invalid_exact_evm_nonce_already_used";
const DUPLICATE = "duplicate_settlement";
const PENDING = "settlement_pending";
const KEYS = { shop: "s".repeat(40), other: "o".repeat(40) };
const merchants = parseMerchantKeys(`shop=${KEYS.shop},other=${KEYS.other}`) as readonly Merchant[];
/** How long a caller waits for an answer, in the facilitators' time: less than a place is held. */
const ANSWER_MS = 6_000;

describe("the one success of a payment is told to its bringer", () => {
  let lab: FacilitatorLab;
  let next = 0;
  before(async () => {
    // A block comes only when a test asks for one.
    lab = await openFacilitatorLab({ blockTimeSeconds: 0 });
  });
  after(() => lab.stop());

  const serve = (change: Change = {}) =>
    lab.serve({
      merchants,
      ...change,
      policy: { answerWithinMs: ANSWER_MS, ...change.policy },
      // A transaction keeps its hash.
      engine: { replaceAfterMs: 3_600_000, ...change.engine },
    });
  const payment = async (): Promise<SignedAuthorization> => {
    const payer = payerOf(60_000 + next++);
    await lab.chain.fund(payer.address, 1_000n);
    return authorize(payer);
  };
  const hold = () => lab.chain.request("evm_setAutomine", [false]);
  const mine = async () => {
    await lab.chain.request("evm_mine", []);
    await lab.chain.request("evm_setAutomine", [true]);
  };
  const as = (id: keyof typeof KEYS, key?: string): Record<string, string> => ({
    authorization: `Bearer ${KEYS[id]}`,
    ...(key === undefined ? {} : { "idempotency-key": key }),
  });
  const settle = (served: Served, body: unknown, headers: Record<string, string> = {}) =>
    post(`${served.url}/settle`, body, headers);
  const stateOf = async (served: Served, { token, from, nonce }: SignedAuthorization) => {
    const answer = await served.get(`/payments/eip155:84532/${token}/${from}/${nonce}`);
    if (answer.status === 404) return undefined;
    const { payments } = (await answer.json()) as { payments: { state: string; successTold: boolean }[] };
    return payments[0];
  };
  const untilIn = (served: Served, signed: SignedAuthorization, state: string) =>
    until(async () => (await stateOf(served, signed))?.state === state, state);
  /** Settles, and lets the caller's time pass once the payment is in `state`. */
  async function settleInVain(served: Served, signed: SignedAuthorization, state: string, ask: () => Promise<Answer>) {
    const asked = ask();
    await untilIn(served, signed, state);
    lab.clock.jump(ANSWER_MS);
    return (await asked).body;
  }
  /** Settles until it is known only that the payment was sent. */
  async function untilPending(served: Served, signed: SignedAuthorization, ask: () => Promise<Answer>): Promise<Hex> {
    const body = await settleInVain(served, signed, "submitted", ask);
    expect(body.errorReason).to.equal(PENDING);
    return body.transaction as Hex;
  }
  /** The answers to a stranger who sends the payment in every possible way. */
  async function tellsStrangers(served: Served, signed: SignedAuthorization, reason: string, more: object) {
    const copied = bodyV2(signed, { maxTimeoutSeconds: 60 });
    for (const headers of [{}, as("other"), as("other", "order-1"), { "idempotency-key": "order-1" }]) {
      expect((await settle(served, copied, headers)).body).to.include({ success: false, errorReason: reason, ...more });
    }
  }

  /** A payment whose bringer hung up after it was sent, on a facilitator that has noticed it. */
  async function dropped(headers: Record<string, string>, change: Change = {}) {
    const served = await serve(change);
    const signed = await payment();
    await hold();
    const hangUp = new AbortController();
    const lost = fetch(`${served.url}/settle`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(bodyV2(signed)),
      signal: hangUp.signal,
    }).catch(() => undefined);
    await untilIn(served, signed, "submitted");
    hangUp.abort();
    await lost;
    const gone = 'tributary_refused_requests_total{path="settle",status="503"} 1';
    await until(async () => (await (await served.get("/metrics")).text()).includes(gone), "the facilitator notices");
    return { served, signed };
  }

  const ways: readonly (readonly [what: string, headers: Record<string, string>])[] = [
    ["its API key", as("shop")],
    ["its API key and Idempotency-Key", as("shop", "order-1")],
  ];
  for (const [what, headers] of ways) {
    const isAgain = "idempotency-key" in headers;

    it(`gives a stranger who copies the authorization from the calldata no success, but a merchant's retry with ${what}`, async () => {
      const served = await serve();
      const signed = await payment();
      const own = headers["idempotency-key"] === undefined ? headers : as("shop", `order-${next}`);
      await hold();
      const transaction = await untilPending(served, signed, () => settle(served, bodyV2(signed), own));
      const { input } = await lab.client.getTransaction({ hash: transaction });
      expect(input).to.include(signed.nonce.slice(2)).and.to.include(signed.signature.slice(2, 66));
      await tellsStrangers(served, signed, DUPLICATE, { transaction });
      await mine();
      await untilIn(served, signed, "settled");
      await tellsStrangers(served, signed, USED, { transaction });
      expect(await stateOf(served, signed)).to.include({ state: "settled", successTold: false });
      const told = await settle(served, bodyV2(signed), own);
      expect(told.body).to.include({ success: true, transaction });
      const again = await settle(served, bodyV2(signed), own);
      if (isAgain) expect(again.body).to.deep.equal(told.body);
      else expect(again.body).to.include({ success: false, errorReason: USED, transaction });
      await tellsStrangers(served, signed, USED, { transaction });
    });

    it(`tells a merchant with ${what} after a restart, and no stranger`, async () => {
      const journal = await openJournal(":memory:");
      const first = await serve({ journal, engine: { closeWithinMs: 0 } });
      const signed = await payment();
      await hold();
      await untilPending(first, signed, () => settle(first, bodyV2(signed), headers));
      await first.close();
      await mine();
      const second = await lab.serveAs(first.account, { journal, merchants });
      await untilIn(second, signed, "settled");
      await tellsStrangers(second, signed, USED, {});
      expect((await settle(second, bodyV2(signed), headers)).body.success).to.equal(true);
      await second.close();
      await journal.close();
    });

    it(`tells a merchant with ${what} after its connection was dropped, and no stranger`, async () => {
      const { served, signed } = await dropped(headers);
      await mine();
      await untilIn(served, signed, "settled");
      await tellsStrangers(served, signed, USED, {});
      expect((await settle(served, bodyV2(signed), headers)).body.success).to.equal(true);
    });

    it(`tells a merchant with ${what} in another process on the same journal`, async () => {
      const journal = await openJournal(":memory:");
      const [first, second] = [await serve({ journal }), await serve({ journal })];
      const signed = await payment();
      await hold();
      const transaction = await untilPending(first, signed, () => settle(first, bodyV2(signed), headers));
      await tellsStrangers(second, signed, DUPLICATE, { transaction });
      await mine();
      await untilIn(second, signed, "settled");
      await tellsStrangers(second, signed, USED, { transaction });
      expect((await settle(second, bodyV2(signed), headers)).body).to.include({ success: true, transaction });
      for (const one of [first, second]) await one.close();
      await journal.close();
    });
  }

  describe("a caller without a name", () => {
    /** A payment whose bringer was told that it is pending, and that was mined and noticed since. */
    async function pending(served: Served, body: (signed: SignedAuthorization) => object = bodyV2) {
      const signed = await payment();
      await hold();
      const transaction = await untilPending(served, signed, () => settle(served, body(signed)));
      return {
        signed,
        transaction,
        decide: async () => {
          await mine();
          await untilIn(served, signed, "settled");
        },
      };
    }
    it("has the place held once for the identical request, after every answer that was not final", async () => {
      const served = await serve();
      const { signed, transaction, decide } = await pending(served);
      expect(await untilPending(served, signed, () => settle(served, bodyV2(signed)))).to.equal(transaction);
      await decide();
      expect((await settle(served, bodyV2(signed, { maxTimeoutSeconds: 60 }))).body).to.include({
        errorReason: DUPLICATE,
        transaction,
      });
      expect((await settle(served, bodyV2(signed))).body).to.include({ success: true, transaction });
      expect((await settle(served, bodyV2(signed))).body).to.include({ errorReason: USED, transaction });
    });

    it("has nothing held for another address", async () => {
      const served = await serve();
      const { signed, transaction, decide } = await pending(served);
      await decide();
      const body = JSON.stringify(bodyV2(signed));
      expect(await postFrom("127.0.0.2", `${served.url}/settle`, body)).to.include({
        success: false,
        errorReason: DUPLICATE,
        transaction,
      });
      expect((await settle(served, body)).body).to.include({ success: true });
    });

    it("has nothing held after ten seconds, and then nobody is told of a success", async () => {
      const served = await serve();
      const { signed, transaction, decide } = await pending(served);
      await decide();
      lab.clock.jump(10_000);
      expect((await settle(served, bodyV2(signed))).body).to.include({ errorReason: USED, transaction });
      await tellsStrangers(served, signed, USED, { transaction });
      expect(await stateOf(served, signed)).to.include({ state: "settled", successTold: false });
    });

    it("who hung up has the place held too", async () => {
      const { served, signed } = await dropped({});
      await mine();
      await untilIn(served, signed, "settled");
      expect((await settle(served, bodyV2(signed, { maxTimeoutSeconds: 60 }))).body.errorReason).to.equal(DUPLICATE);
      expect((await settle(served, bodyV2(signed))).body.success).to.equal(true);
    });
  });

  it("tells nobody of a success that no request brought", async () => {
    const served = await serve();
    const signed = await payment();
    await hold();
    await served.facilitator.engine.accept([{ authorization: signed, source: "a file" }]);
    await untilIn(served, signed, "submitted");
    for (const headers of [{}, as("shop"), as("shop", "from-a-file")]) {
      expect((await settle(served, bodyV2(signed), headers)).body.errorReason).to.equal(DUPLICATE);
    }
    await mine();
    await untilIn(served, signed, "settled");
    for (const headers of [{}, as("shop"), as("shop", "from-a-file")]) {
      expect((await settle(served, bodyV2(signed), headers)).body.errorReason).to.equal(USED);
    }
  });

  it("accepts a payment that was taken back, for the caller who brings it then", async () => {
    const journal = await openJournal(":memory:");
    const poor = await serve({ journal, engine: { minimumSenderBalanceWei: 10n ** 30n } });
    const [plain, bought] = [await payment(), await payment()];
    for (const [signed, headers] of [
      [plain, {}],
      [bought, as("shop")],
    ] as const) {
      const unsent = await settleInVain(poor, signed, "queued", () => settle(poor, bodyV2(signed), headers));
      expect(unsent).to.include({ errorReason: "unexpected_settle_error", transaction: "" });
    }
    await poor.close();
    const rich = await lab.serveAs(poor.account, { journal, merchants });
    expect((await settle(rich, bodyV2(plain), as("other"))).body.success).to.equal(true);
    // A stranger may not bring what a merchant brought.
    expect((await settle(rich, bodyV2(bought))).body.errorReason).to.equal("unexpected_settle_error");
    expect((await settle(rich, bodyV2(bought), as("shop", "order-2"))).body.success).to.equal(true);
    expect((await settle(rich, bodyV2(bought), as("shop"))).body.errorReason).to.equal(USED);
    await rich.close();
    await journal.close();
  });

  // Last: it moves the facilitators' time far ahead.
  describe("a caller who hung up", () => {
    it("counts as inside until they would have been answered, by the facilitator's clock", async () => {
      const answerWithinMs = 3_600_000;
      const { served } = await dropped({}, { policy: { answerWithinMs } });
      const inside = async () =>
        /tributary_inside\{endpoint="settle"\} (\d+)/.exec(await (await served.get("/metrics")).text())?.[1];
      expect(await inside()).to.equal("1");
      lab.clock.jump(answerWithinMs);
      await until(async () => (await inside()) === "0", "nobody is inside");
      expect((await served.journal.count()).submitted).to.equal(1);
      await mine();
    });
  });
});

/** Posts from an address of this machine. */
function postFrom(localAddress: string, url: string, body: string): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const asked = request(
      url,
      { method: "POST", localAddress, headers: { "content-type": "application/json" } },
      (answer) => {
        let text = "";
        answer.on("data", (chunk: Buffer) => {
          text += chunk.toString();
        });
        answer.once("end", () => resolve(JSON.parse(text) as Record<string, unknown>));
      },
    );
    asked.once("error", reject);
    asked.end(body);
  });
}
