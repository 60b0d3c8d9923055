import { expect } from "chai";
import { readPaymentIdentifier } from "../../../../src/facilitator/wire/identifier.ts";

describe("readPaymentIdentifier", () => {
  const id = "pay_0123456789abcdef";
  const payloadWith = (extension: unknown) => ({ extensions: { "payment-identifier": extension } });

  it("reads the payer's id of a payment, or undefined if there is none", () => {
    expect(readPaymentIdentifier(payloadWith({ info: { required: true, id } }))).to.deep.equal({ ok: true, value: id });
    for (const payload of [
      {},
      undefined,
      { extensions: null },
      payloadWith(null),
      payloadWith({}),
      payloadWith({ info: { required: false } }),
      payloadWith({ info: { id: null } }),
    ]) {
      expect(readPaymentIdentifier(payload)).to.deep.equal({ ok: true, value: undefined });
    }
  });

  it("says what is wrong if one is required or malformed, and does not repeat it", () => {
    expect(readPaymentIdentifier(payloadWith({ info: { required: true } }))).to.deep.equal({
      ...{ ok: false, problem: "extensions.payment-identifier: an id is required" },
    });
    for (const malformed of ["short", "x".repeat(500), 7, {}, "pay_ 123456789abcdef"]) {
      expect(readPaymentIdentifier(payloadWith({ info: { id: malformed } }))).to.deep.equal({
        ...{ ok: false, problem: "extensions.payment-identifier: the id is malformed" },
      });
    }
  });
});
