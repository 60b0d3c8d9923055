import { expect } from "chai";
import type { Address } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import { parseMerchantKeys } from "../../src/facilitator/index.ts";
import type { Journal } from "../../src/journal/index.ts";
import {
  type Answer,
  authorize,
  bodyV2,
  type FacilitatorLab,
  JSON_BODY,
  openFacilitatorLab,
  payerOf,
  post,
} from "../helpers/facilitator.ts";

type Served = Awaited<ReturnType<FacilitatorLab["serve"]>>;

const VALUE = 1_000n;
const KEYS = { greedy: "greedy-".padEnd(40, "g"), modest: "modest-".padEnd(40, "m") };
/**
 * Assumes a machine so slow, and allows a delay so long, that one caller can have 24 places and others 8 more, and that the
 * minutes which a test may take on a slow machine do not matter.
 */
const policy = { admitWithinMs: 1_000_000, assumedPerSecond: 0.04, answerWithinMs: 600_000 };
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe("a facilitator under overload", () => {
  let lab: FacilitatorLab;
  let payers: PrivateKeyAccount[];
  let next = 0;

  before(async () => {
    lab = await openFacilitatorLab();
    payers = Array.from({ length: 60 }, (_, index) => payerOf(7_000 + index));
    await lab.fundAll(payers.map(({ address }) => address));
  });
  after(() => lab.stop());
  beforeEach(() => lab.holdBlocks());
  afterEach(() => lab.resumeBlocks());

  /** A payee that nobody has paid before. */
  const freshPayee = (): Address => `0x${(0xabc_0000 + next++).toString(16).padStart(40, "0")}`;
  const sign = (count: number, to: Address): Promise<SignedAuthorization[]> =>
    Promise.all(payers.slice(0, count).map((payer) => authorize(payer, { to, value: VALUE })));

  /** A number in /metrics. */
  async function metric({ get }: Served, name: string): Promise<number> {
    const text = await (await get("/metrics")).text();
    const line = text.split("\n").find((one) => one.startsWith(`${name} `));
    return Number(line?.slice(name.length + 1) ?? 0);
  }

  /** Waits until so many of these were answered or are inside. */
  async function untilDealtWith(
    facilitator: Served,
    floods: readonly { readonly answered: readonly Answer[] }[],
    asked: number,
  ): Promise<void> {
    const answers = () => floods.reduce((sum, { answered }) => sum + answered.length, 0);
    while (answers() + (await metric(facilitator, 'tributary_inside{endpoint="settle"}')) < asked) await pause(20);
  }

  /** Sends all requests at once; `answered` grows as answers come. */
  function flood(facilitator: Served, payments: readonly SignedAuthorization[], key?: string) {
    const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
    const answered: Answer[] = [];
    const all = payments.map(async (signed) => {
      const answer = await post(`${facilitator.url}/settle`, bodyV2(signed), headers);
      answered.push(answer);
      return { signed, answer };
    });
    return { answered, all: Promise.all(all) };
  }

  const rowsOf = async (journal: Journal, { from }: SignedAuthorization) =>
    (await journal.list({ limit: 1_000 })).filter(
      ({ work }) => work.kind === "authorization" && work.authorization.from === from,
    );

  it("answers everybody: success to those who are charged, 503 and when to come again to the others", async () => {
    const facilitator = await lab.serve({ policy });
    const to = freshPayee();
    const payments = await sign(60, to);
    const before = await Promise.all(payers.map(({ address }) => lab.balanceOf(address)));
    const { answered, all } = flood(facilitator, payments);
    await untilDealtWith(facilitator, [{ answered }], payments.length);
    expect(await metric(facilitator, "tributary_projected_delay_seconds")).to.be.above(400);
    const ready = await facilitator.get("/ready");
    expect(ready.status).to.equal(200);
    expect(await ready.json()).to.deep.equal({ status: "ready", shedding: true });
    await lab.resumeBlocks();
    const results = await all;
    const refused = results.filter(({ answer }) => answer.status === 503);
    const settled = results.filter(({ answer }) => answer.status === 200);
    expect(settled.length).to.be.within(15, 35);
    expect(refused).to.have.length(60 - settled.length);
    expect(await metric(facilitator, 'tributary_shed_total{endpoint="settle"}')).to.equal(refused.length);
    for (const { signed, answer } of refused) {
      expect(Number(answer.headers.get("retry-after"))).to.be.within(1, 60);
      expect(answer.body).to.include({ success: false, errorReason: "unexpected_settle_error", transaction: "" });
      expect(await rowsOf(facilitator.journal, signed)).to.deep.equal([]);
    }
    for (const { answer } of settled) expect(answer.body.success).to.equal(true);
    for (const { signed, answer } of results) {
      const was = before[payers.findIndex(({ address }) => address === signed.from)]!;
      expect(await lab.balanceOf(signed.from)).to.equal(answer.status === 200 ? was - VALUE : was);
    }
    expect(await lab.balanceOf(to)).to.equal(VALUE * BigInt(settled.length));

    // A refusal says nothing against a payment: the same one is accepted later.
    const again = refused.slice(0, 5).map(({ signed }) => signed);
    const later = await flood(facilitator, again).all;
    expect(later.map(({ answer }) => answer.body.success)).to.deep.equal(again.map(() => true));
  });

  it("keeps places for a merchant while another one takes all that it can get", async () => {
    const merchants = parseMerchantKeys(`greedy=${KEYS.greedy},modest=${KEYS.modest}`);
    const facilitator = await lab.serve({ policy, merchants });
    const to = freshPayee();
    const payments = await sign(60, to);
    const greedy = flood(facilitator, payments.slice(0, 55), KEYS.greedy);
    await untilDealtWith(facilitator, [greedy], 55);
    const taken = greedy.answered.length;
    expect(taken).to.be.above(20);
    const modest = flood(facilitator, payments.slice(55), KEYS.modest);
    await untilDealtWith(facilitator, [greedy, modest], 60);
    await lab.resumeBlocks();
    expect((await modest.all).map(({ answer }) => answer.body.success)).to.deep.equal(Array(5).fill(true));
    expect((await greedy.all).filter(({ answer }) => answer.status === 503)).to.have.length(taken);
  });

  it("refuses to verify before it refuses to settle", async () => {
    const facilitator = await lab.serve({ policy });
    const payments = await sign(20, freshPayee());
    const verify = () => facilitator.verify(bodyV2(payments[19]!));
    expect((await verify()).body.isValid).to.equal(true);
    const { answered, all } = flood(facilitator, payments.slice(0, 17));
    await untilDealtWith(facilitator, [{ answered }], 17);
    expect(answered).to.have.length(0);
    const refused = await verify();
    expect(refused.status).to.equal(503);
    expect(refused.body).to.include({ isValid: false, invalidReason: "unexpected_verify_error" });
    expect(Number(refused.headers.get("retry-after"))).to.be.within(1, 60);
    expect(await metric(facilitator, 'tributary_shed_total{endpoint="verify"}')).to.equal(1);
    expect(await metric(facilitator, 'tributary_shed_total{endpoint="settle"}')).to.equal(0);
    await lab.resumeBlocks();
    for (const { answer } of await all) expect(answer.body.success).to.equal(true);
    expect((await verify()).body.isValid).to.equal(true);
  });

  it("gives the place of a caller who left to others if its payment waits, and accepts it when it comes again", async () => {
    // Nothing is sent until there is enough ether.
    const facilitator = await lab.serve({ policy, engine: { minimumSenderBalanceWei: 10n ** 30n } });
    const [signed] = await sign(1, freshPayee());
    const leave = new AbortController();
    const body = JSON.stringify(bodyV2(signed!));
    const request = fetch(`${facilitator.url}/settle`, {
      method: "POST",
      headers: JSON_BODY,
      body,
      signal: leave.signal,
    });
    const left = request.catch(() => "left");
    while ((await rowsOf(facilitator.journal, signed!))[0]?.state !== "queued") await pause(20);
    leave.abort();
    expect(await left).to.equal("left");
    while ((await rowsOf(facilitator.journal, signed!))[0]?.state !== "cancelled") await pause(20);
    while ((await metric(facilitator, 'tributary_inside{endpoint="settle"}')) > 0) await pause(20);
    void facilitator.settle(bodyV2(signed!)).catch(() => undefined);
    while ((await rowsOf(facilitator.journal, signed!))[0]?.state !== "queued") await pause(20);
    await facilitator.close();
  });

  it("keeps the place of a caller who left while its payment is on its way", async () => {
    const facilitator = await lab.serve({ policy });
    const to = freshPayee();
    const [signed] = await sign(1, to);
    const leave = new AbortController();
    const body = JSON.stringify(bodyV2(signed!));
    const left = fetch(`${facilitator.url}/settle`, {
      method: "POST",
      headers: JSON_BODY,
      body,
      signal: leave.signal,
    }).catch(() => "left");
    while ((facilitator.facilitator.engine.accounts()[0]?.openBatches ?? 0) === 0) await pause(20);
    leave.abort();
    expect(await left).to.equal("left");
    while ((await metric(facilitator, 'tributary_refused_requests_total{path="settle",status="503"}')) < 1) {
      await pause(20);
    }
    expect(await metric(facilitator, 'tributary_inside{endpoint="settle"}')).to.equal(1);
    await lab.resumeBlocks();
    while ((await metric(facilitator, 'tributary_inside{endpoint="settle"}')) > 0) await pause(20);
    expect(await lab.balanceOf(to)).to.equal(VALUE);
    // A caller who soon repeats the same request is told the outcome.
    expect((await facilitator.settle(bodyV2(signed!))).body.success).to.equal(true);
  });

  it("does nothing for a caller who leaves before their turn", async () => {
    const facilitator = await lab.serve({ policy });
    const [signed] = await sign(1, freshPayee());
    const leave = new AbortController();
    const answering = facilitator.facilitator.app.request("/settle", {
      method: "POST",
      headers: JSON_BODY,
      body: JSON.stringify(bodyV2(signed!)),
      signal: leave.signal,
    });
    leave.abort();
    expect((await answering).status).to.equal(503);
    expect(await rowsOf(facilitator.journal, signed!)).to.deep.equal([]);
    expect(await metric(facilitator, 'tributary_inside{endpoint="settle"}')).to.equal(0);
  });
});
