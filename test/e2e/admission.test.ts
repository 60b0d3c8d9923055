import { expect } from "chai";
import { type Address, zeroAddress } from "viem";
import { UNBOUNDED } from "../../src/facilitator/admission/policy.ts";
import { type Merchant, parseMerchantKeys } from "../../src/facilitator/index.ts";
import { networks } from "../../src/networks.ts";
import { channelOf, claimBody, depositBody, rowOf, sweepBody } from "../helpers/channelPayloads.ts";
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
  type Terms,
} from "../helpers/facilitator.ts";

const KEYS = { shop: "s".repeat(40), other: "o".repeat(40) };
const [shop, other] = parseMerchantKeys(`shop=${KEYS.shop},other=${KEYS.other}`) as [Merchant, Merchant];
const { usdc } = networks.baseSepolia;
/** Between one payment's part of a batch and twice that, as admission expects it. */
const GAS_OF_ONE = 60_000n;

describe("admission", () => {
  let lab: FacilitatorLab;
  let nextPayer = 90_000;
  let nextPayee = 0xad_0000;

  before(async () => {
    lab = await openFacilitatorLab({ blockTimeSeconds: 0 });
  });
  after(() => lab.stop());

  const payer = (amount = 1_000_000n) => lab.payer(nextPayer++, amount);
  const freshPayee = (): Address => `0x${(nextPayee++).toString(16).padStart(40, "0")}`;
  const payment = async (terms: Terms = {}) => bodyV2(await authorize(await payer(), { to: freshPayee(), ...terms }));
  const as = (id: keyof typeof KEYS, key?: string) => ({
    authorization: `Bearer ${KEYS[id]}`,
    ...(key === undefined ? {} : { "idempotency-key": key }),
  });
  const asOf = (signed: Awaited<ReturnType<typeof authorize>>) => [bodyV2(signed), bodyV1(signed)] as const;
  const expectWait = ({ status, headers }: Answer) => {
    expect(status).to.equal(429);
    expect(Number(headers.get("retry-after"))).to.be.within(1, 86_400);
  };

  describe("of payments that waste gas", () => {
    const value = ["invalid_exact_evm_authorization_value", "invalid_exact_evm_payload_authorization_value"] as const;
    const requirements = ["invalid_payment_requirements", "invalid_payment_requirements"] as const;
    const validBefore = "invalid_exact_evm_payload_authorization_valid_before";
    const cases: readonly [string, (address: Address) => Terms, readonly [string, string]][] = [
      ["a payment of zero", () => ({ value: 0n, to: freshPayee() }), value],
      ["a payer who pays themselves", (to) => ({ to }), requirements],
      ["a payee at the zero address", () => ({ to: zeroAddress }), requirements],
      [
        "a payment that is valid for more than a day",
        () => ({ to: freshPayee(), validBefore: BigInt(Math.floor(Date.now() / 1000)) + 90_000n }),
        [validBefore, validBefore],
      ],
    ];
    for (const [name, termsFor, reasons] of cases) {
      it(`refuses ${name}, on both endpoints and in both versions, and stores and sends nothing`, async () => {
        const served = await lab.serve();
        const from = await payer();
        const bodies = asOf(await authorize(from, termsFor(from.address)));
        for (const [version, body] of bodies.entries()) {
          expect((await served.verify(body)).body).to.include({ isValid: false, invalidReason: reasons[version] });
          expect((await served.settle(body)).body).to.include({ success: false, errorReason: reasons[version] });
        }
        expect(await served.journal.count()).to.deep.equal({});
        expect(await served.transactions()).to.equal(0);
        await served.close();
      });
    }
  });

  describe("with budgets of gas for a day", () => {
    it("accepts a single small payment with the bounds of real networks", async () => {
      const served = await lab.serve({
        policy: {
          gasPerDay: { payer: 20_000_000n, anonymous: 500_000_000n, merchant: 2_000_000_000n },
          payerOpenCap: { anonymous: 20, merchant: 100 },
        },
      });
      expect((await served.settle(await payment({ value: 1n }))).body.success).to.equal(true);
      await served.close();
    });

    it("bounds one payer, whoever brings their payments, and says so on /verify too", async () => {
      const gasPerDay = { ...UNBOUNDED.gasPerDay, payer: GAS_OF_ONE };
      const served = await lab.serve({ policy: { gasPerDay }, merchants: [shop] });
      const from = await payer();
      const bodies = await Promise.all([0, 1].map(async () => bodyV2(await authorize(from, { to: freshPayee() }))));
      expect((await served.settle(bodies[0])).body.success).to.equal(true);
      expectWait(await served.settle(bodies[1]));
      expectWait(await post(`${served.url}/settle`, bodies[1], as("shop")));
      expectWait(await served.verify(bodies[1]));
      expect((await served.settle(await payment())).body.success).to.equal(true);
      expect(await served.transactions()).to.equal(2);
      await served.close();
    });

    it("bounds all callers without a key together, and each merchant separately", async () => {
      const gasPerDay = { payer: undefined, anonymous: GAS_OF_ONE, merchant: GAS_OF_ONE };
      const merchants = [shop, { ...other, gasPerDay: 3n * GAS_OF_ONE }];
      const served = await lab.serve({ policy: { gasPerDay }, merchants });
      const settle = async (headers: Record<string, string> = {}) =>
        post(`${served.url}/settle`, await payment(), headers);
      expect((await settle()).body.success).to.equal(true);
      expectWait(await settle());
      expect((await settle(as("shop"))).body.success).to.equal(true);
      expectWait(await settle(as("shop")));
      for (let round = 0; round < 3; round += 1) expect((await settle(as("other"))).body.success).to.equal(true);
      expectWait(await settle(as("other")));
      await served.close();
    });

    it("shares them between processes, and keeps them after a restart", async () => {
      const gasPerDay = { ...UNBOUNDED.gasPerDay, anonymous: GAS_OF_ONE };
      const first = await lab.serve({ policy: { gasPerDay } });
      const second = await lab.serve({ policy: { gasPerDay }, journal: first.journal });
      expect((await first.settle(await payment())).body.success).to.equal(true);
      expectWait(await second.settle(await payment()));
      await second.close();
      await first.close();
    });

    it("gives back what was refused or never sent", async () => {
      const gasPerDay = { ...UNBOUNDED.gasPerDay, anonymous: GAS_OF_ONE };
      const served = await lab.serve({ policy: { gasPerDay, answerWithinMs: 1 }, engine: PATIENT });
      // Underfunded: the engine does not accept it.
      const poor = payerOf(nextPayer++);
      expect((await served.settle(bodyV2(await authorize(poor)))).body.success).to.equal(false);
      // Not sent in time, and taken back: it waits for other payments longer than its caller waits.
      const { body } = await served.settle(await payment());
      expect(body).to.include({ success: false, errorReason: "unexpected_settle_error", transaction: "" });
      expect((await served.verify(await payment())).body.isValid).to.equal(true);
      await served.close();
    });
  });

  it("bounds how many payments one payer may have open, separately for each kind of caller, and says so on /verify", async () => {
    const merchants = [shop, { ...other, payerOpenCap: 1 }];
    const policy = { payerOpenCap: { anonymous: 2, merchant: 3 } };
    // Nothing is sent, so all are open at once.
    const served = await lab.serve({ policy, merchants, engine: PATIENT });
    const from = await payer();
    const one = async () => bodyV2(await authorize(from, { to: freshPayee(), value: 1n }));
    const waiting: Promise<Answer>[] = [];
    const open = async (headers: Record<string, string> = {}) => {
      const before = (await served.journal.count()).queued ?? 0;
      waiting.push(post(`${served.url}/settle`, await one(), headers));
      await until(async () => ((await served.journal.count()).queued ?? 0) > before, "one more is open");
    };
    const refusal = { success: false, errorReason: "invalid_transaction_state" };
    await open();
    await open();
    expect((await served.settle(await one())).body).to.include(refusal);
    expect((await served.verify(await one())).body).to.include({ invalidReason: "invalid_transaction_state" });
    // A deposit takes a place like a payment.
    const config = channelOf(from.address, freshPayee());
    expect((await served.settle(await depositBody(from, config, 5_000n))).body).to.include(refusal);
    expect((await post(`${served.url}/settle`, await one(), as("other"))).body).to.include(refusal);
    await open(as("shop"));
    expect((await post(`${served.url}/settle`, await one(), as("shop"))).body).to.include(refusal);
    await served.close();
    await Promise.all(waiting);
  });

  it("makes the smallest payment follow the price of gas if the operator asks for that", async () => {
    // At $10 million for an ether a local payment's gas is worth a lot.
    const served = await lab.serve({ policy: { minGasPermille: 2_000n, etherMicroUsd: 10_000_000_000_000n } });
    const small = await payment({ value: 1n });
    const reason = "invalid_payment_requirements";
    expect((await served.verify(small)).body).to.include({ isValid: false, invalidReason: reason });
    const { body } = await served.settle(small);
    expect(body).to.include({ success: false, errorReason: reason });
    const minimum = BigInt(/below the minimum of ([0-9]+)/.exec(String(body.errorMessage))?.[1] ?? 0);
    const from = await payer(10n * minimum);
    const large = bodyV2(await authorize(from, { to: freshPayee(), value: 2n * minimum }));
    expect((await served.settle(large)).body.success).to.equal(true);
    await served.close();
  });

  describe("of channels", () => {
    const deposit = async (amount: bigint) => {
      const from = await payer();
      const config = channelOf(from.address, freshPayee());
      return { from, config, body: await depositBody(from, config, amount) };
    };

    it("bounds deposits by the minimum, and the end of their authorization by a day", async () => {
      const served = await lab.serve({ policy: { assets: [{ address: usdc.address, minimum: 5_000n }] } });
      const reason = "invalid_payment_requirements";
      for (const amount of [0n, 4_999n]) {
        const { body } = await deposit(amount);
        expect((await served.verify(body)).body).to.include({ isValid: false, invalidReason: reason });
        expect((await served.settle(body)).body).to.include({ success: false, errorReason: reason });
      }
      expect((await served.settle((await deposit(5_000n)).body)).body.success).to.equal(true);
      expect(await served.transactions()).to.equal(1);
      await served.close();
    });

    it("bounds claims and sweeps by the minimum, for the sum that they move", async () => {
      const served = await lab.serve({ policy: { assets: [{ address: usdc.address, minimum: 5_000n }] } });
      const one = await deposit(20_000n);
      expect((await served.settle(one.body)).body.success).to.equal(true);
      const claim = async (total: bigint) => claimBody([await rowOf(one.from, one.config, total)], true);
      const reason = "invalid_payment_requirements";
      const small = await served.settle(await claim(4_999n));
      expect(small.body).to.include({ success: false, errorReason: reason });
      expect(small.body.errorMessage).to.match(/claim of 4999 is below the minimum of 5000/);
      expect((await served.settle(await claim(5_000n))).body.success).to.equal(true);
      // Cumulative: only 4,999 of these are new.
      expect((await served.settle(await claim(9_999n))).body.errorReason).to.equal(reason);
      expect((await served.settle(sweepBody(one.config))).body).to.include({ success: true, amount: "5000" });
      await served.close();
    });

    it("counts deposits, claims and sweeps against a merchant's payments of a day and gas", async () => {
      const merchants = [
        { ...shop, paymentsPerDay: 2 },
        { ...other, gasPerDay: 150_000n },
      ];
      const served = await lab.serve({ merchants });
      const settle = (body: unknown, id: keyof typeof KEYS) => post(`${served.url}/settle`, body, as(id));
      const one = await deposit(20_000n);
      expect((await settle(one.body, "shop")).body.success).to.equal(true);
      expect(
        (await settle(await claimBody([await rowOf(one.from, one.config, 9n)], true), "shop")).body.success,
      ).to.equal(true);
      expectWait(await settle(sweepBody(one.config), "shop"));
      expectWait(await settle((await deposit(20_000n)).body, "shop"));
      expectWait(await post(`${served.url}/verify`, (await deposit(20_000n)).body, as("shop")));
      expect((await settle((await deposit(20_000n)).body, "other")).body.success).to.equal(true);
      expectWait(await settle((await deposit(20_000n)).body, "other"));
      await served.close();
    });

    it("binds an Idempotency-Key to a deposit, a claim and a sweep, and tells it their success again", async () => {
      const served = await lab.serve({ merchants: [shop] });
      const settle = (body: unknown, key: string) => post(`${served.url}/settle`, body, as("shop", key));
      const one = await deposit(20_000n);
      const another = await deposit(20_000n);
      const claim = await claimBody([await rowOf(one.from, one.config, 9n)], true);
      const bodies = [one.body, claim, sweepBody(one.config)];
      for (const [index, body] of bodies.entries()) {
        const first = await settle(body, `key-${index}`);
        expect(first.body, `body ${index}`).to.include({ success: true });
        expect(first.body.transaction).to.match(/^0x/);
        expect((await settle(body, `key-${index}`)).body, `body ${index}`).to.deep.equal(first.body);
        expect((await settle(another.body, `key-${index}`)).status).to.equal(409);
      }
      expect((await settle(another.body, "key-9")).body.success).to.equal(true);
      expect(await served.transactions()).to.equal(4);
      await served.close();
    });
  });
});
