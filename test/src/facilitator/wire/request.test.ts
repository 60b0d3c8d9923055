import type { x402Facilitator } from "@x402/core/facilitator";
import { expect } from "chai";
import { paymentFields, readCall } from "../../../../src/facilitator/wire/request.ts";

const kinds = [{ x402Version: 2, scheme: "batch-settlement", network: "eip155:84532" }];
const x402 = { getSupported: () => ({ kinds }) } as unknown as x402Facilitator;

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

  it("says payee, amount and asset of a call about channels", () => {
    const [payee, asset] = [`0x${"aB".repeat(20)}`, `0x${"12".repeat(20)}`];
    expect(fieldsOf({ payTo: payee, amount: "1000", asset })).to.deep.equal({
      ...{ payer: undefined, payee, amount: "1000", asset },
    });
  });

  it("leaves out what a stranger put in their place: the log is no place for megabytes, signatures and control characters", () => {
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
