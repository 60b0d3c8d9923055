import { expect } from "chai";
import type { PaymentRow, PaymentState } from "../../../../src/journal/index.ts";
import { createExposure } from "../../../../src/settlement/intake/exposure.ts";
import { accountAt, fakePayment, nonceAt, TOKEN } from "../../../helpers/payments.ts";

const payer = accountAt(1);

function row(id: number, value: bigint, state: PaymentState = "queued", from = payer): PaymentRow {
  const authorization = { ...fakePayment({ value, from, nonce: nonceAt(id) }) };
  return { id, state, work: { kind: "authorization", authorization, payerHasCode: false } } as PaymentRow;
}

describe("createExposure", () => {
  it("sums what is open, each payment once, until it is decided, and again when a reorg opens it", () => {
    const exposure = createExposure();
    for (const one of [row(1, 5n), row(2, 7n), row(1, 5n, "submitted")]) exposure.note(one);
    expect(exposure.unsettled(TOKEN, payer)).to.equal(12n);
    exposure.note(row(1, 5n, "settled"));
    exposure.note(row(1, 5n, "settled"));
    expect(exposure.unsettled(TOKEN, payer)).to.equal(7n);
    exposure.note(row(1, 5n, "submitted"));
    expect(exposure.unsettled(TOKEN, payer)).to.equal(12n);
  });

  it("knows a payer whatever the case of their address", () => {
    const exposure = createExposure();
    exposure.note(row(1, 5n));
    expect(exposure.unsettled(TOKEN, payer.toLowerCase() as typeof payer)).to.equal(5n);
  });

  it("is strained at the given part of the balance, and not one unit before", () => {
    const exposure = createExposure();
    exposure.note(row(1, 799n));
    expect(exposure.isStrained(TOKEN, payer, 800n)).to.equal(false);
    exposure.noteBalance(TOKEN, payer, 1_000n);
    expect(exposure.isStrained(TOKEN, payer, 800n)).to.equal(false);
    exposure.note(row(2, 1n));
    expect(exposure.isStrained(TOKEN, payer, 800n)).to.equal(true);
  });

  it("is not strained if there is nothing to lose: a payer without a balance makes no batch go early", () => {
    const exposure = createExposure();
    exposure.note(row(1, 5n));
    exposure.noteBalance(TOKEN, payer, 0n);
    expect(exposure.isStrained(TOKEN, payer, 800n)).to.equal(false);
  });

  it("forgets a balance that a settlement has changed", () => {
    const exposure = createExposure();
    exposure.note(row(1, 600n));
    exposure.note(row(2, 600n));
    exposure.noteBalance(TOKEN, payer, 700n);
    exposure.note(row(1, 600n, "settled"));
    expect(exposure.isStrained(TOKEN, payer, 800n)).to.equal(false);
  });

  it("lists the most exposed payers first, and none without open payments", () => {
    const exposure = createExposure();
    exposure.note(row(1, 5n));
    exposure.note(row(2, 9n, "queued", accountAt(2)));
    exposure.note(row(3, 7n, "queued", accountAt(3)));
    exposure.note(row(1, 5n, "rejected"));
    expect(exposure.payers(5).map((one) => one.payer)).to.deep.equal([accountAt(2), accountAt(3)]);
    expect(exposure.payers(1).map((one) => one.payer)).to.deep.equal([accountAt(2)]);
  });
});
