import { expect } from "chai";
import {
  ClaimConflictError,
  checkIdentifier,
  claimHolder,
  claimIdentifier,
  fingerprintOf,
  holderOf,
  readIdempotencyKey,
} from "../../../../src/facilitator/admission/claims.ts";
import { type Merchant, parseMerchantKeys } from "../../../../src/facilitator/callers/merchants.ts";
import { type ExactRequest, readExact } from "../../../../src/facilitator/wire/body.ts";
import { type Journal, openJournal } from "../../../../src/journal/index.ts";
import { authorize, bodyV1, bodyV2, payerOf } from "../../../helpers/facilitator.ts";

const [shop, other] = parseMerchantKeys(`shop=${"s".repeat(40)},other=${"o".repeat(40)}`) as [Merchant, Merchant];

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("fingerprintOf", () => {
  it("changes with every part of a payment, and with nothing around it", async () => {
    const signed = await authorize(payerOf(1));
    const read = (body: { paymentPayload: unknown; paymentRequirements: unknown }): ExactRequest => {
      const parsed = readExact(body.paymentPayload, body.paymentRequirements);
      if (!parsed.ok) throw new Error(parsed.problem);
      return parsed.value;
    };
    const one = read(bodyV2(signed));
    const { required, authorization } = one;
    const same = [
      one,
      read(bodyV2(signed, { maxTimeoutSeconds: 1, extra: { name: "x", version: "9" } })),
      read(bodyV1(signed)),
    ];
    expect(new Set(same.map((request) => fingerprintOf(request, 84532))).size).to.equal(1);
    const others: ExactRequest[] = [
      { ...one, signature: "0x22" },
      ...(["asset", "payTo"] as const).map((key) => ({ ...one, required: { ...required, [key]: signed.from } })),
      { ...one, required: { ...required, amount: required.amount + 1n } },
      { ...one, required: { ...required, scheme: "upto" } },
      ...(["from", "to"] as const).map((key) => ({
        ...{ ...one, authorization: { ...authorization, [key]: payerOf(2).address } },
      })),
      ...(["value", "validAfter", "validBefore"] as const).map((key) => ({
        ...{ ...one, authorization: { ...authorization, [key]: authorization[key] + 1n } },
      })),
      { ...one, authorization: { ...authorization, nonce: `0x${"00".repeat(32)}` } },
    ];
    const prints = [...others.map((request) => fingerprintOf(request, 84532)), fingerprintOf(one, 8453)];
    expect(new Set([fingerprintOf(one, 84532), ...prints]).size).to.equal(prints.length + 1);
  });
});

describe("readIdempotencyKey", () => {
  it("takes 1 to 255 visible characters, and is undefined if there is no header", () => {
    expect(readIdempotencyKey(undefined)).to.deep.equal({ ok: true, value: undefined });
    for (const key of ["1", "order-1", "~".repeat(255)]) {
      expect(readIdempotencyKey(key)).to.deep.equal({ ok: true, value: key });
    }
    for (const key of ["", "two words", "ü", "a\n", "~".repeat(256)]) {
      expect(readIdempotencyKey(key)).to.have.property("ok", false);
    }
  });
});

describe("holderOf", () => {
  it("is a merchant's own name for a key, and does not reveal the key", () => {
    const name = holderOf(shop, "order-1");
    expect(name).to.match(/^shop:[0-9a-f]{64}$/);
    expect(holderOf(shop, "order-1")).to.equal(name);
    expect(new Set([name, holderOf(shop, "order-2"), holderOf(other, "order-1")]).size).to.equal(3);
  });
});

describe("what is bound in the journal", () => {
  let journal: Journal;
  beforeEach(async () => {
    journal = await openJournal(":memory:");
  });
  afterEach(() => journal.close());

  describe("claimHolder", () => {
    it("binds a key to one payment for ever, also if two come at once", async () => {
      const holder = holderOf(shop, "order-1");
      const answers = await Promise.all(["a", "b"].map((print) => failureOf(claimHolder(journal, holder, print))));
      expect(answers[0]).to.equal(undefined);
      expect(answers[1]).to.be.instanceOf(ClaimConflictError);
      await claimHolder(journal, holder, "a");
      await claimHolder(journal, holderOf(shop, "order-2"), "b");
      await claimHolder(journal, holderOf(other, "order-1"), "b");
    });
  });

  describe("claimIdentifier", () => {
    const mine = { chainId: 84532, payer: payerOf(1).address, id: "pay_0123456789abcdef" };

    it("binds a payer's id to one payment, and nobody else's id of the same name", async () => {
      await claimIdentifier(journal, mine, "a");
      await claimIdentifier(journal, mine, "a");
      expect(await failureOf(claimIdentifier(journal, mine, "b"))).to.be.instanceOf(ClaimConflictError);
      const spelt = { ...mine, payer: mine.payer.toLowerCase() as typeof mine.payer };
      expect(await failureOf(claimIdentifier(journal, spelt, "b"))).to.be.instanceOf(ClaimConflictError);
      await claimIdentifier(journal, { ...mine, payer: payerOf(2).address }, "b");
      await claimIdentifier(journal, { ...mine, chainId: 8453 }, "b");
    });

    it("takes back what it bound, and nothing that another request bound", async () => {
      const undo = await claimIdentifier(journal, mine, "a");
      await undo();
      await claimIdentifier(journal, mine, "b");
      await undo();
      expect(await failureOf(claimIdentifier(journal, mine, "a"))).to.be.instanceOf(ClaimConflictError);
    });

    it("is checked in advance by checkIdentifier, which binds nothing", async () => {
      await checkIdentifier(journal, mine, "a");
      await checkIdentifier(journal, mine, "b");
      await claimIdentifier(journal, mine, "b");
      await checkIdentifier(journal, mine, "b");
      expect(await failureOf(checkIdentifier(journal, mine, "a"))).to.be.instanceOf(ClaimConflictError);
    });
  });
});
