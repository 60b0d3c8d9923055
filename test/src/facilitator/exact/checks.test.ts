import { expect } from "chai";
import { createSignatureChecks } from "../../../../src/facilitator/exact/checks.ts";
import { type ExactRequest, readExact } from "../../../../src/facilitator/wire/body.ts";
import { authorize, bodyV2, payerOf } from "../../../helpers/facilitator.ts";

describe("createSignatureChecks", () => {
  let nowMs = Date.now();
  const clock = { now: () => nowMs, sleep: () => Promise.resolve() };
  const startedMs = nowMs;
  beforeEach(() => {
    nowMs = startedMs;
  });

  async function request(terms: { validBefore?: bigint } = {}): Promise<ExactRequest> {
    const { paymentPayload, paymentRequirements } = bodyV2(await authorize(payerOf(1), terms));
    const read = readExact(paymentPayload, paymentRequirements);
    if (!read.ok) throw new Error(read.problem);
    return read.value;
  }

  it("remembers the identical request for a minute, and no other", async () => {
    const checks = createSignatureChecks(clock, 84532);
    const one = await request();
    expect(checks.recall(one)).to.equal(undefined);
    checks.note(one);
    expect(checks.recall(structuredClone(one))).to.deep.equal({ isValid: true });
    const { required, authorization } = one;
    const others: ExactRequest[] = [
      { ...one, version: 1 },
      { ...one, signature: `${one.signature.slice(0, -2)}00` as ExactRequest["signature"] },
      { ...one, accepted: { ...one.accepted, network: "eip155:1" } },
      { ...one, required: { ...required, amount: required.amount + 1n } },
      { ...one, required: { ...required, payTo: authorization.from } },
      { ...one, required: { ...required, asset: authorization.from } },
      { ...one, required: { ...required, domain: { ...required.domain, version: "1" } } },
      { ...one, authorization: { ...authorization, validAfter: 1n } },
    ];
    for (const other of others) expect(checks.recall(other)).to.equal(undefined);
    nowMs += 60_000;
    expect(checks.recall(one)).to.deep.equal({ isValid: true });
    nowMs += 1;
    expect(checks.recall(one)).to.equal(undefined);
  });

  it("checks the time again, at both of its bounds", async () => {
    const checks = createSignatureChecks(clock, 84532);
    const nowSeconds = BigInt(Math.floor(nowMs / 1000));
    const one = await request({ validBefore: nowSeconds + 10n });
    checks.note(one);
    nowMs = Number(nowSeconds + 4n) * 1000 + 999;
    expect(checks.recall(one)).to.deep.equal({ isValid: true });
    nowMs += 1;
    expect(checks.recall(one)).to.include({ reason: "invalid_exact_evm_payload_authorization_valid_before" });
    const { authorization } = one;
    const later = {
      ...one,
      authorization: { ...authorization, validAfter: nowSeconds, validBefore: nowSeconds + 90n },
    };
    nowMs = Number(nowSeconds) * 1000;
    checks.note(later);
    expect(checks.recall(later)).to.deep.equal({ isValid: true });
    nowMs -= 1;
    expect(checks.recall(later)).to.include({ reason: "invalid_exact_evm_payload_authorization_valid_after" });
  });
});
