import { expect } from "chai";
import {
  type Call,
  failure,
  paymentFields,
  type Refusal,
  readCall,
  unexpected,
} from "../../../../src/facilitator/wire/request.ts";
import { authorize, bodyV1, bodyV2, payerOf } from "../../../helpers/facilitator.ts";

const kinds = (
  [
    [2, "batch-settlement", "eip155:84532"],
    [2, "exact", "eip155:84532"],
    [1, "exact", "base-sepolia"],
  ] as const
).map(([x402Version, scheme, network]) => ({ x402Version, scheme, network: network as "eip155:84532" }));
const x402 = { getSupported: () => ({ kinds, extensions: [], signers: {} }) };

describe("readCall", () => {
  const read = (body: unknown) => readCall(x402, body, "settle", "one");
  function called(answer: Call | Refusal): Call {
    if ("status" in answer) throw new Error(answer.message);
    return answer;
  }

  it("reads a payment of the scheme exact once, of both versions, with its id", async () => {
    const signed = await authorize(payerOf(1));
    const body = bodyV2(signed);
    const call = called(read(body));
    expect(call).to.include({ endpoint: "settle", requestId: "one", identifier: undefined });
    expect(call.payload).to.equal(body.paymentPayload);
    expect(call.requirements).to.equal(body.paymentRequirements);
    expect(call.exact).to.deep.include({ version: 2, signature: signed.signature });
    expect(called(read(bodyV1(signed))).exact).to.include({ version: 1 });
    const id = "pay_0123456789abcdef";
    const extensions = { "payment-identifier": { info: { required: true, id } } };
    const named = { ...body, paymentPayload: { ...body.paymentPayload, extensions } };
    expect(called(read(named)).identifier).to.equal(id);
  });

  it("leaves what is for another scheme, or of another form, to the scheme", async () => {
    const body = bodyV2(await authorize(payerOf(1)));
    const channels = { ...body.paymentRequirements, scheme: "batch-settlement" };
    expect(called(read({ ...body, paymentRequirements: channels })).exact).to.equal(undefined);
    const permit2 = { ...body.paymentPayload, payload: { permit2Authorization: {} } };
    expect(called(read({ ...body, paymentPayload: permit2 })).exact).to.equal(undefined);
  });

  it("calls malformed what cannot be read, and names payer and network if possible", async () => {
    const body = bodyV2(await authorize(payerOf(1)));
    const { paymentPayload, paymentRequirements } = body;
    const unsigned = { ...paymentPayload, payload: { ...paymentPayload.payload, signature: "0x" } };
    const echo = { network: "eip155:84532", payer: payerOf(1).address };
    expect(read({ ...body, paymentPayload: unsigned })).to.include({ status: 400, reason: "invalid_payload", ...echo });
    const third = { ...paymentPayload, x402Version: 3 };
    expect(read({ ...body, paymentPayload: third })).to.include({
      status: 400,
      reason: "invalid_x402_version",
      ...echo,
    });
    const anonymous = { status: 400, reason: "invalid_payload", network: "", payer: undefined };
    for (const nothing of [undefined, null, 7, "x", [], {}, { paymentRequirements }]) {
      expect(read(nothing)).to.include(anonymous);
    }
    const extensions = { "payment-identifier": { info: { required: true } } };
    expect(read({ ...body, paymentPayload: { ...paymentPayload, extensions } })).to.include({ status: 400, ...echo });
  });

  it("gives a normal answer to what is not served here, in the words of its version", async () => {
    const signed = await authorize(payerOf(1));
    expect(read(bodyV2(signed, { scheme: "upto" }))).to.include({ status: 200, reason: "unsupported_scheme" });
    expect(read(bodyV2(signed, { network: "eip155:1" }))).to.include({ status: 200, reason: "invalid_network" });
    expect(read(bodyV1(signed, { network: "base" }))).to.include({ status: 200, reason: "invalid_network" });
    // Each version names its own networks.
    expect(read(bodyV1(signed, { network: "eip155:84532" }))).to.include({ reason: "invalid_network" });
  });
});

describe("failure", () => {
  const refusal = { reason: "why", message: "what", network: "eip155:1", payer: payerOf(1).address };

  it("is a negative answer of its endpoint", () => {
    const payer = payerOf(1).address;
    expect(failure("verify", refusal)).to.deep.equal({
      ...{ isValid: false, invalidReason: "why", invalidMessage: "what", payer },
    });
    expect(failure("settle", refusal)).to.deep.equal({
      ...{ success: false, errorReason: "why", errorMessage: "what", transaction: "", network: "eip155:1", payer },
    });
    expect(failure("accepts", refusal)).to.deep.equal({ error: "what" });
    expect(failure("settle", { reason: "why", message: "what" })).to.deep.equal({
      ...{ success: false, errorReason: "why", errorMessage: "what", transaction: "", network: "" },
    });
  });

  it("has a reason of each endpoint for what is not the payment's fault", () => {
    expect(["verify", "settle", "accepts"].map((one) => unexpected(one as "verify"))).to.deep.equal([
      "unexpected_verify_error",
      "unexpected_settle_error",
      "unexpected_verify_error",
    ]);
  });
});

describe("paymentFields", () => {
  function fieldsOf(asked: Readonly<Record<string, unknown>>) {
    const call = readCall(
      x402,
      {
        paymentPayload: { x402Version: 2, accepted: { scheme: "batch-settlement" }, payload: {} },
        paymentRequirements: { scheme: "batch-settlement", network: "eip155:84532", ...asked },
      },
      "settle",
      "one",
    );
    if ("status" in call) throw new Error(call.message);
    return paymentFields(call);
  }

  it("has payee, amount and asset of a call about channels", () => {
    const [payee, asset] = [`0x${"aB".repeat(20)}`, `0x${"12".repeat(20)}`];
    expect(fieldsOf({ payTo: payee, amount: "1000", asset })).to.deep.equal({
      ...{ payer: undefined, payee, amount: "1000", asset },
    });
  });

  it("leaves out what a stranger put in their place: no megabytes, signatures or control characters in the log", () => {
    const hostile: Readonly<Record<string, unknown>>[] = [
      { payTo: { deep: { signature: "0xdead" } }, amount: ["0xdead"], asset: 7 },
      { payTo: "x".repeat(1_000_000), amount: "9".repeat(1_000_000), asset: "\u001b[31m\n" },
      { payTo: `0x${"ab".repeat(20)}\n`, amount: "1\n", asset: `0x${"ab".repeat(32)}` },
      {},
    ];
    for (const asked of hostile) {
      const none = { payer: undefined, payee: undefined, amount: undefined, asset: undefined };
      expect(fieldsOf(asked)).to.deep.equal(none);
    }
  });
});
