import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HTTPFacilitatorClient } from "@x402/core/server";
import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { expect } from "chai";
import type { Address } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";
import { privateKeyToAccount } from "viem/accounts";
import { type Merchant, parseMerchantKeys } from "../../src/facilitator/index.ts";
import { type Journal, openJournal } from "../../src/journal/index.ts";
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

const USED = "invalid_exact_evm_nonce_already_used";
const KEYS = { shop: "s".repeat(40), other: "o".repeat(40) };
const [shop, other] = parseMerchantKeys(`shop=${KEYS.shop},other=${KEYS.other}`) as [Merchant, Merchant];
const successes = (answers: readonly Answer[]) => answers.filter(({ body }) => body.success === true);

describe("merchants with an API key, and buyers with a payment identifier", () => {
  let lab: FacilitatorLab;
  let facilitator: Served;
  let journal: Journal;
  let folder: string;
  let payers: PrivateKeyAccount[];
  let account: PrivateKeyAccount;
  const merchants = [shop, other];
  let next = 0;

  before(async () => {
    lab = await openFacilitatorLab();
    folder = await mkdtemp(join(tmpdir(), "tributary-"));
    journal = await openJournal(join(folder, "journal.db"));
    account = privateKeyToAccount(lab.chain.accounts[3]!.privateKey);
    facilitator = await lab.serveAs(account, { journal, merchants });
    payers = Array.from({ length: 20 }, (_, index) => payerOf(40_000 + index));
    await lab.fundAll(payers.map(({ address }) => address));
  });
  after(async () => {
    await lab.stop();
    await journal.close();
    await rm(folder, { recursive: true });
  });

  const freshPayee = (): Address => `0x${(0xcafe_0000 + next++).toString(16).padStart(40, "0")}`;
  const as = (id: keyof typeof KEYS, key?: string) => ({
    authorization: `Bearer ${KEYS[id]}`,
    ...(key === undefined ? {} : { "idempotency-key": key }),
  });
  const settle = (body: unknown, headers: Record<string, string>, served = facilitator) =>
    post(`${served.url}/settle`, body, headers);

  it("tells a success again to the Idempotency-Key that it was told to, to nobody else, and after a restart", async () => {
    const signed = await authorize(payers[0]!, { to: freshPayee() });
    const body = bodyV2(signed);
    const first = await settle(body, as("shop", "order-1"));
    expect(first.body).to.include({ success: true });
    expect((await settle(body, as("shop", "order-1"))).body).to.deep.equal(first.body);
    for (const headers of [
      as("shop"),
      as("shop", "order-2"),
      as("other", "order-1"),
      {},
      { "idempotency-key": "order-1" },
    ]) {
      const { body: said } = await settle(body, headers);
      expect(said).to.include({ success: false, errorReason: USED, transaction: first.body.transaction });
    }
    await facilitator.close();
    await journal.close();
    journal = await openJournal(join(folder, "journal.db"));
    facilitator = await lab.serveAs(account, { journal, merchants });
    expect((await settle(body, as("shop", "order-1"))).body).to.deep.equal(first.body);
    expect((await settle(body, as("shop", "order-2"))).body.errorReason).to.equal(USED);
    expect(await lab.balanceOf(signed.to)).to.equal(1_000n);
  });

  it("gives no key a success that a caller without a key was told", async () => {
    const body = bodyV2(await authorize(payers[1]!, { to: freshPayee() }));
    expect((await settle(body, {})).body.success).to.equal(true);
    expect((await settle(body, as("shop", "late"))).body.errorReason).to.equal(USED);
  });

  it("lets the holder's second request join the first, and nobody else", async () => {
    const body = bodyV2(await authorize(payers[2]!, { to: freshPayee() }));
    const first = settle(body, as("shop", "joined"));
    const both = await Promise.all([first, settle(body, as("shop", "joined"))]);
    expect(successes(both)).to.have.length(2);
    expect(both[0]?.body).to.deep.equal(both[1]?.body);
    const crowd = bodyV2(await authorize(payers[2]!, { to: freshPayee() }));
    const answers = await Promise.all(
      [as("shop", "a"), as("shop", "b"), as("other", "a"), {}].map((one) => settle(crowd, one)),
    );
    expect(successes(answers)).to.have.length(1);
  });

  it("answers 409 if a key is used for another payment: payee, amount, asset or authorization", async () => {
    const signed = await authorize(payers[3]!, { to: freshPayee() });
    expect((await settle(bodyV2(signed), as("shop", "bound"))).body.success).to.equal(true);
    const changed = [
      bodyV2(signed, { payTo: freshPayee() }),
      bodyV2(signed, { amount: "999" }),
      bodyV2(signed, { asset: lab.chain.multicall3 }),
      bodyV2(await authorize(payers[3]!, { to: signed.to })),
      bodyV1(await authorize(payers[3]!, { to: signed.to })),
    ];
    for (const body of changed) {
      const answer = await settle(body, as("shop", "bound"));
      expect(answer.status).to.equal(409);
      expect(answer.body).to.include({ success: false, errorReason: "invalid_payload", transaction: "" });
    }
    // In the words of v1, it is the same payment.
    expect((await settle(bodyV1(signed), as("shop", "bound"))).body).to.include({
      success: true,
      network: "base-sepolia",
    });
  });

  it("answers 400 to an invalid Idempotency-Key", async () => {
    const body = bodyV2(await authorize(payers[4]!));
    const answer = await settle(body, as("shop", "x".repeat(256)));
    expect(answer.status).to.equal(400);
    expect(answer.body).to.include({ success: false, errorReason: "invalid_payload" });
  });

  it("answers 401 to an unknown key, and to callers without a key if only merchants are served", async () => {
    const body = bodyV2(await authorize(payers[4]!));
    const wrong = await settle(body, { authorization: `Bearer ${"x".repeat(40)}` });
    expect(wrong.status).to.equal(401);
    expect(wrong.headers.get("www-authenticate")).to.equal("Bearer");
    expect(wrong.body).to.include({ success: false, errorReason: "unexpected_settle_error", transaction: "" });
    const closed = await lab.serve({ merchants, merchantsOnly: true });
    expect((await settle(body, {}, closed)).status).to.equal(401);
    expect((await post(`${closed.url}/verify`, body, as("shop"))).body.isValid).to.equal(true);
    expect((await closed.get("/supported")).status).to.equal(200);
  });

  it("serves a merchant through the official client", async () => {
    const closed = await lab.serve({ merchants, merchantsOnly: true });
    const headers = { Authorization: `Bearer ${KEYS.shop}` };
    const createAuthHeaders = async () => ({ verify: headers, settle: headers, supported: headers, bazaar: headers });
    const { paymentPayload, paymentRequirements } = bodyV2(await authorize(payers[9]!, { to: freshPayee() }));
    // The official client's types check only the form of a network.
    const [payload, required] = [paymentPayload as PaymentPayload, paymentRequirements as PaymentRequirements];
    const client = new HTTPFacilitatorClient({ url: closed.url, createAuthHeaders });
    expect((await client.verify(payload, required)).isValid).to.equal(true);
    expect((await client.settle(payload, required)).success).to.equal(true);
    const stranger = new HTTPFacilitatorClient({ url: closed.url });
    const refused = await stranger.settle(payload, required).catch((error: unknown) => error);
    expect(refused).to.include({ statusCode: 401 });
  });

  it("bounds a merchant by its own rate and its payments a day", async () => {
    const limited = await lab.serve({
      rateLimit: { perSecond: 1, burst: 1 },
      merchants: [
        { ...shop, rateLimit: { perSecond: 1, burst: 3 } },
        { ...other, paymentsPerDay: 1 },
      ],
    });
    const body = bodyV2(await authorize(payers[5]!, { to: freshPayee() }));
    const verify = (headers: Record<string, string>) => post(`${limited.url}/verify`, body, headers);
    const statuses = [];
    for (const headers of [as("shop"), as("shop"), as("shop"), as("shop"), {}, {}])
      statuses.push((await verify(headers)).status);
    expect(statuses).to.deep.equal([200, 200, 200, 429, 200, 429]);
    expect((await settle(body, as("other"), limited)).body.success).to.equal(true);
    const beyond = await settle(bodyV2(await authorize(payers[5]!)), as("other"), limited);
    expect(beyond.status).to.equal(429);
    expect(Number(beyond.headers.get("retry-after"))).to.be.within(1, 86_400);
    // What was accepted already does not count again.
    expect((await settle(body, as("other"), limited)).body.errorReason).to.equal(USED);
  });

  it("settles the payments of a merchant who wants that one by one", async () => {
    const single = await lab.serve({ merchants: [{ ...shop, unbatched: true }, other] });
    const to = freshPayee();
    const payments = await Promise.all(payers.slice(6, 9).map((payer) => authorize(payer, { to })));
    const answers = await Promise.all(payments.map((signed) => settle(bodyV2(signed), as("shop"), single)));
    expect(successes(answers)).to.have.length(3);
    expect(new Set(answers.map(({ body }) => body.transaction)).size).to.equal(3);
  });

  const identified = (body: ReturnType<typeof bodyV2>, info: object) => ({
    ...body,
    paymentPayload: { ...body.paymentPayload, extensions: { "payment-identifier": { info, schema: {} } } },
  });
  const ID = "pay_0123456789abcdef";

  it("lists the extension, and binds a payment identifier to one payment of its payer", async () => {
    const supported = (await (await facilitator.get("/supported")).json()) as { extensions: string[] };
    expect(supported.extensions).to.deep.equal(["bazaar", "payment-identifier"]);
    const info = { required: true, id: ID };
    const first = identified(bodyV2(await authorize(payers[10]!, { to: freshPayee() })), info);
    const second = identified(bodyV2(await authorize(payers[10]!, { to: freshPayee() })), info);
    // Asking binds nothing.
    expect((await facilitator.verify(second)).body.isValid).to.equal(true);
    expect((await facilitator.settle(first)).body.success).to.equal(true);
    for (const endpoint of ["verify", "settle"] as const) {
      const answer = await facilitator[endpoint](second);
      expect(answer.status).to.equal(409);
      const reason = endpoint === "verify" ? answer.body.invalidReason : answer.body.errorReason;
      expect(reason).to.equal("invalid_payload");
    }
    // The same bytes get their outcome, and no second success.
    const again = await facilitator.settle(first);
    expect(again.body).to.include({ success: false, errorReason: USED });
    expect(again.body.transaction).to.match(/^0x[0-9a-f]{64}$/);
    // Nobody takes another payer's id.
    const stranger = identified(bodyV2(await authorize(payers[11]!, { to: freshPayee() })), info);
    expect((await facilitator.settle(stranger)).body.success).to.equal(true);
  });

  it("settles one of several payments that come at once under one identifier", async () => {
    const info = { required: false, id: "pay_at_the_same_time" };
    const bodies = await Promise.all(
      Array.from({ length: 5 }, async () => identified(bodyV2(await authorize(payers[12]!)), info)),
    );
    const answers = await Promise.all(bodies.map((body) => facilitator.settle(body)));
    expect(successes(answers)).to.have.length(1);
    expect(answers.filter(({ status }) => status === 409)).to.have.length(4);
  });

  it("binds and counts nothing for a payment that is not accepted", async () => {
    const limited = await lab.serve({ merchants: [{ ...shop, paymentsPerDay: 1 }] });
    const poor = payerOf(40_999);
    const info = { required: true, id: "pay_without_any_money" };
    const pay = async () =>
      settle(identified(bodyV2(await authorize(poor, { to: freshPayee() })), info), as("shop"), limited);
    for (const _ of [1, 2]) expect((await pay()).body.errorReason).to.equal("invalid_exact_evm_insufficient_balance");
    await lab.chain.fund(poor.address, 1_000n);
    expect((await pay()).body.success).to.equal(true);
    expect((await pay()).status).to.equal(409);
    expect((await settle(bodyV2(await authorize(poor)), as("shop"), limited)).status).to.equal(429);
  });

  it("answers 400 to an identifier that is required and missing, or malformed", async () => {
    const body = bodyV2(await authorize(payers[13]!));
    for (const info of [{ required: true }, { required: false, id: "short" }, { required: true, id: 5 }]) {
      const verified = await facilitator.verify(identified(body, info));
      expect(verified.status).to.equal(400);
      expect(verified.body).to.include({ isValid: false, invalidReason: "invalid_payload" });
      expect((await facilitator.settle(identified(body, info))).status).to.equal(400);
    }
    expect((await facilitator.settle(identified(body, { required: false }))).body.success).to.equal(true);
  });
});
