import { expect } from "chai";
import { REASON, reasonFor, reasonOfRow } from "../../../../src/facilitator/wire/reasons.ts";

/** The reasons that the package of x402 v1 lists. */
const V1 = new Set([
  "insufficient_funds",
  "invalid_exact_evm_payload_authorization_valid_after",
  "invalid_exact_evm_payload_authorization_valid_before",
  "invalid_exact_evm_payload_authorization_value",
  "invalid_exact_evm_payload_signature",
  "invalid_exact_evm_payload_undeployed_smart_wallet",
  "invalid_exact_evm_payload_recipient_mismatch",
  "invalid_network",
  "invalid_payload",
  "invalid_payment_requirements",
  "invalid_payment",
  "invalid_scheme",
  "invalid_transaction_state",
  "invalid_x402_version",
  "unsupported_scheme",
  "unexpected_verify_error",
  "unexpected_settle_error",
  "duplicate_settlement",
]);
const SHIPPED = [
  "invalid_exact_evm_scheme",
  "invalid_exact_evm_missing_eip712_domain",
  "invalid_exact_evm_authorization_value",
  "invalid_exact_evm_eip3009_not_supported",
  "invalid_exact_evm_token_name_mismatch",
  "invalid_exact_evm_token_version_mismatch",
  "invalid_exact_evm_transfer_event_mismatch",
  "invalid_exact_evm_failed_to_parse_signature",
];

describe("reasonFor", () => {
  it("keeps every reason in v2, and turns each into one that v1 lists", () => {
    for (const reason of [...Object.values(REASON), ...SHIPPED]) {
      expect(reasonFor(2, reason)).to.equal(reason);
      expect(V1.has(reasonFor(1, reason)), `${reason} → ${reasonFor(1, reason)}`).to.equal(true);
    }
  });
});

describe("reasonOfRow", () => {
  const evidence = { kind: "request", by: "operator" } as const;
  const of = (state: Parameters<typeof reasonOfRow>[0]["state"], reason?: string) =>
    reasonOfRow({ state, reason, evidence }).reason;

  it("names each outcome", () => {
    expect(of("already-used")).to.equal(REASON.nonceUsed);
    expect(of("expired")).to.equal(REASON.validBefore);
    expect(of("cancelled")).to.equal(REASON.settleError);
    expect(of("rejected", "underfunded")).to.equal(REASON.insufficientBalance);
    expect(of("rejected", "over-committed")).to.equal(REASON.insufficientBalance);
    expect(of("rejected", "bad-signature")).to.equal(REASON.signature);
    expect(of("rejected", "not-yet-valid")).to.equal(REASON.validAfter);
    expect(of("rejected", "missing-token")).to.equal(REASON.notDeployed);
    expect(of("rejected", "gas-capped")).to.equal(REASON.transactionFailed);
  });
});
