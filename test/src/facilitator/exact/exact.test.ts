import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { expect } from "chai";
import type { SignedAuthorization } from "../../../../src/authorization/types.ts";
import { NOBODY } from "../../../../src/facilitator/callers/caller.ts";
import { createExactScheme, type ExactContext, type ExactSchemePort } from "../../../../src/facilitator/exact/exact.ts";
import type { Settlement, SettleOptions } from "../../../../src/facilitator/exact/settle.ts";
import type { Verdict } from "../../../../src/facilitator/exact/verdict.ts";
import { type ExactRequest, readExact } from "../../../../src/facilitator/wire/body.ts";
import type { PaymentRow } from "../../../../src/journal/index.ts";
import { authorize, bodyV1, bodyV2, payerOf } from "../../../helpers/facilitator.ts";
import { hashOf } from "../../journal/fixtures.ts";

const CAIP2 = "eip155:84532";
const transaction = hashOf("tx 1");
const place = { id: hashOf("batch 1"), index: 2, size: 5, logIndex: 7, authorizationNonce: hashOf(1) };
const row = {} as PaymentRow;

describe("createExactScheme", () => {
  let signed: SignedAuthorization;
  let asked: { readonly request: ExactRequest; readonly options: SettleOptions }[];
  let verdict: Verdict;
  let settlement: Settlement;
  before(async () => {
    signed = await authorize(payerOf(1));
  });
  beforeEach(() => {
    asked = [];
    verdict = { isValid: true };
    settlement = { status: "settled", transaction, level: "included", place, row };
  });

  const open = (version: 1 | 2, change: Partial<ExactSchemePort> = {}) =>
    createExactScheme(version, {
      addresses: () => [payerOf(9).address],
      verify: async (request, caller) => {
        asked.push({ request, options: { caller } });
        return verdict;
      },
      settle: async (request, options = {}) => {
        asked.push({ request, options });
        return settlement;
      },
      ...change,
    });
  type Body = { readonly paymentPayload: unknown; readonly paymentRequirements: unknown };
  const typed = ({ paymentPayload, paymentRequirements }: Body) =>
    [paymentPayload as PaymentPayload, paymentRequirements as PaymentRequirements] as const;
  const v2 = () => typed(bodyV2(signed));
  const v1 = () => typed(bodyV1(signed));

  it("is the scheme exact of every EVM chain, with its keys and the terms of its token", () => {
    const token = { name: "USDC", version: "2", decimals: 6 };
    const scheme = open(2, { token });
    expect(scheme).to.include({ scheme: "exact", caipFamily: "eip155:*" });
    expect(scheme.getExtra(CAIP2)).to.deep.equal(token);
    expect(scheme.getSigners(CAIP2)).to.deep.equal([payerOf(9).address]);
    expect(open(2).getExtra(CAIP2)).to.equal(undefined);
  });

  describe("verify", () => {
    it("says that a payment is good, and whose it is", async () => {
      expect(await open(2).verify(...v2())).to.deep.equal({ isValid: true, payer: signed.from });
      expect(await open(1).verify(...v1())).to.deep.equal({ isValid: true, payer: signed.from });
    });

    it("says what is wrong with it, in the words of its version", async () => {
      verdict = { isValid: false, reason: "invalid_exact_evm_insufficient_balance", message: "poor" };
      const shared = { isValid: false, invalidMessage: "poor", payer: signed.from };
      expect(await open(2).verify(...v2())).to.deep.equal({
        ...{ invalidReason: "invalid_exact_evm_insufficient_balance", ...shared },
      });
      expect(await open(1).verify(...v1())).to.deep.equal({ invalidReason: "insufficient_funds", ...shared });
    });

    it("throws what verification throws", async () => {
      const broken = new Error("broken");
      const scheme = open(2, { verify: () => Promise.reject(broken) });
      expect(await scheme.verify(...v2()).catch((error: unknown) => error)).to.equal(broken);
    });
  });

  for (const action of ["verify", "settle"] as const) {
    const reasonOf = (answer: object) => Reflect.get(answer, action === "verify" ? "invalidReason" : "errorReason");

    it(`refuses to ${action} what it cannot read, without asking anybody`, async () => {
      const [payload, requirements] = v2();
      const broken = { ...payload, payload: { ...payload.payload, signature: "0x" } };
      const answer = await open(2)[action](broken, requirements);
      expect(reasonOf(answer)).to.equal("invalid_payload");
      expect(answer).to.include({ payer: signed.from });
      const permit2 = { ...payload, payload: { permit2Authorization: {}, signature: "0x00" } };
      expect(reasonOf(await open(2)[action](permit2, requirements))).to.equal("unsupported_payload_type");
      expect(reasonOf(await open(1)[action](permit2, requirements))).to.equal("invalid_payload");
      expect(reasonOf(await open(1)[action](payload, requirements))).to.equal("invalid_x402_version");
      expect(reasonOf(await open(2)[action](...v1()))).to.equal("invalid_x402_version");
      expect(asked).to.deep.equal([]);
    });

    it(`uses what is known about a request to ${action}, and does not parse it again`, async () => {
      const [payload, requirements] = v2();
      const read = readExact(payload, requirements);
      if (!read.ok) throw new Error(read.problem);
      const caller = { ...NOBODY, request: "one" };
      const context: ExactContext = { request: read.value, caller, source: "x402:1" };
      const scheme = open(2, { contextOf: (one) => (one === payload ? context : undefined) });
      await scheme[action](payload, requirements);
      expect(asked[0]?.request).to.equal(read.value);
      expect(asked[0]?.options.caller).to.equal(caller);
      if (action === "settle") expect(asked[0]?.options).to.deep.equal({ caller, source: "x402:1" });
      await scheme[action](structuredClone(payload), requirements);
      expect(asked[1]?.request).to.deep.equal(read.value);
      expect(asked[1]?.request).not.to.equal(read.value);
    });
  }

  describe("settle", () => {
    const where = () => "/payments/one";

    it("gives a receipt with the payment's place and its status URL, in v2 among its extensions too", async () => {
      const expected = {
        ...{ success: true, payer: signed.from, transaction },
        extra: { level: "included", batch: place, payment: "/payments/one" },
      };
      expect(await open(2, { statusUrl: where }).settle(...v2())).to.deep.equal({
        ...{ ...expected, network: CAIP2 },
        extensions: { tributary: { payment: "/payments/one" } },
      });
      expect(await open(1, { statusUrl: where }).settle(...v1())).to.deep.equal({
        ...{ ...expected, network: "base-sepolia" },
      });
    });

    it("leaves out what does not exist", async () => {
      settlement = { status: "settled", transaction, level: "included", place: undefined, row };
      expect(await open(2).settle(...v2())).to.deep.equal({
        ...{ success: true, payer: signed.from, transaction, network: CAIP2 },
        extra: { level: "included" },
      });
    });

    it("says what a success stands on", async () => {
      settlement = { status: "settled", transaction, level: "preconfirmed", place, row };
      for (const sent of [await open(2).settle(...v2()), await open(1).settle(...v1())]) {
        expect(sent.extra).to.deep.equal({ level: "preconfirmed", batch: place });
      }
    });

    it("says why a payment failed, with its transaction if it was in one", async () => {
      settlement = { status: "failed", reason: "invalid_exact_evm_nonce_already_used", message: "used", transaction };
      const shared = { success: false, errorMessage: "used", transaction, payer: signed.from };
      expect(await open(2, { statusUrl: where }).settle(...v2())).to.deep.equal({
        ...{ errorReason: "invalid_exact_evm_nonce_already_used", network: CAIP2, ...shared },
      });
      expect(await open(1).settle(...v1())).to.deep.equal({
        ...{ errorReason: "duplicate_settlement", network: "base-sepolia", ...shared },
      });
      settlement = { status: "failed", reason: "unexpected_settle_error" };
      expect(await open(2).settle(...v2())).to.deep.equal({
        ...{ success: false, errorReason: "unexpected_settle_error", transaction: "", network: CAIP2 },
        payer: signed.from,
      });
    });

    it("says that a payment is pending only if it has a transaction, and always gives its status URL", async () => {
      settlement = { status: "pending", transaction };
      const extra = { payment: "/payments/one" };
      const sent = await open(2, { statusUrl: where }).settle(...v2());
      expect(sent).to.deep.include({ success: false, errorReason: "settlement_pending", transaction, extra });
      const sentV1 = await open(1, { statusUrl: where }).settle(...v1());
      expect(sentV1).to.deep.include({ errorReason: "unexpected_settle_error", transaction, extra });
      settlement = { status: "pending", transaction: undefined };
      const unsent = await open(2, { statusUrl: where }).settle(...v2());
      expect(unsent).to.deep.include({ errorReason: "unexpected_settle_error", transaction: "", extra });
    });

    it("names an unknown caller by the request alone: an identical request counts as the same caller", async () => {
      const scheme = open(2);
      await scheme.settle(...v2());
      await scheme.settle(...v2());
      await scheme.settle(...typed(bodyV2(signed, { maxTimeoutSeconds: 60 })));
      const [first, second, other] = asked.map(({ options }) => options.caller?.request);
      expect(first).to.be.a("string").and.to.equal(second);
      expect(other).to.be.a("string").and.not.to.equal(first);
    });
  });
});
