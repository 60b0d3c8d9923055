import { expect } from "chai";
import type { SignedAuthorization } from "../../../../src/authorization/types.ts";
import {
  type MinedTransaction,
  type PaymentOutcome,
  type PaymentResult,
  serialiseResult,
  summarise,
} from "../../../../src/settlement/index.ts";
import { serialiseRefusedLine } from "../../../../src/settlement/job/results.ts";
import { rejectionOf } from "../../../../src/settlement/outcome/results.ts";

const HASH = `0x${"11".repeat(32)}` as const;

function payment(index: number, value = 10n): SignedAuthorization {
  return {
    chainId: 84532,
    token: "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
    from: "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    to: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    value,
    validAfter: 0n,
    validBefore: 100n,
    nonce: `0x${index.toString(16).padStart(64, "0")}`,
    signature: "0x",
  };
}

const settled = (when: "now" | "before" | "elsewhere"): PaymentOutcome => {
  return { status: "settled", when, transactionHash: HASH, blockNumber: 5n, logIndex: 3, gasShare: 40_000n };
};
const rejected = (reason: "expired" | "blocked"): PaymentOutcome => ({ status: "rejected", reason, message: "no" });

describe("summarise", () => {
  it("counts every payment once, and the gas of this run", () => {
    const outcomes: PaymentOutcome[] = [
      settled("now"),
      settled("now"),
      settled("now"),
      settled("before"),
      settled("elsewhere"),
      rejected("blocked"),
      rejected("expired"),
      rejected("expired"),
      { status: "deferred", validFromSeconds: 7n },
      { status: "not-attempted", message: "no" },
      { status: "pending", transactionHash: HASH },
    ];
    const results: PaymentResult[] = outcomes.map((outcome, index) => {
      return { line: index + 1, authorization: payment(index, BigInt(index + 1)), outcome };
    });
    const transaction: MinedTransaction = {
      hash: HASH,
      kind: "router",
      blockNumber: 5n,
      succeeded: true,
      gasUsed: 100_001n,
      feeWei: 7n,
      dataFeeWei: 2n,
      payments: 3,
      settled: 3,
    };
    expect(summarise({ results, transactions: [transaction] })).to.deep.equal({
      payments: 11,
      settledNow: { count: 3, value: 6n },
      settledBefore: { count: 1, value: 4n },
      settledElsewhere: { count: 1, value: 5n },
      rejected: [
        { reason: "expired", count: 2, value: 15n },
        { reason: "blocked", count: 1, value: 6n },
      ],
      deferred: { count: 1, value: 9n },
      notAttempted: { count: 1, value: 10n },
      pending: { count: 1, value: 11n },
      transactions: 1,
      gasUsed: 100_001n,
      feeWei: 7n,
      dataFeeWei: 2n,
      gasPerPayment: 33_334n,
    });
  });

  it("has no gas per payment if none settled", () => {
    expect(summarise({ results: [], transactions: [] })).to.deep.include({ payments: 0, gasPerPayment: undefined });
  });
});

describe("serialiseResult", () => {
  it("is one line with the identity, the terms and the outcome, amounts as strings", () => {
    const line = serialiseResult({ line: 4, authorization: payment(1), outcome: settled("now") });
    const { token, from, to, nonce } = payment(1);
    expect(line).to.not.include("\n");
    expect(JSON.parse(line)).to.deep.equal({
      line: 4,
      network: "eip155:84532",
      token,
      from,
      to,
      value: "10",
      nonce,
      status: "settled",
      when: "now",
      transactionHash: HASH,
      blockNumber: "5",
      logIndex: 3,
      gasShare: "40000",
    });
  });

  it("names line and field of a refused line", () => {
    const line = serialiseRefusedLine({ line: 2, status: "invalid", field: "value", message: "is negative" });
    expect(JSON.parse(line)).to.deep.equal({ line: 2, status: "invalid", field: "value", message: "is negative" });
  });
});

describe("rejectionOf", () => {
  it("puts figures into the message", () => {
    expect(rejectionOf({ kind: "underfunded", value: 5n, balance: 3n })).to.deep.equal({
      status: "rejected",
      reason: "underfunded",
      message: "the payer has 3, the payment takes 5",
    });
    expect(rejectionOf({ kind: "already-used" })).to.deep.include({ reason: "already-used" });
    expect(rejectionOf({ kind: "above-gas-cap", gas: 9n, cap: 7n }).message)
      .to.include("9")
      .and.include("7");
  });
});
