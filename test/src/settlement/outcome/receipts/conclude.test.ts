import { expect } from "chai";
import { encodeAbiParameters, encodeEventTopics, type Hex, parseAbi, type TransactionReceipt } from "viem";
import { settlementRouterArtifact } from "../../../../../src/contracts/SettlementRouter.ts";
import type {
  Attempt,
  AuthorizationRow,
  BatchRow,
  CallWork,
  PaymentRow,
  Transition,
} from "../../../../../src/journal/index.ts";
import {
  batchReverted,
  concludeBatch,
  concludeRefusal,
  concludeUse,
  maxItemsOf,
  USE_UNKNOWN,
  withUses,
} from "../../../../../src/settlement/outcome/receipts/conclude.ts";
import { accountAt, fakePayment, nonceAt, TOKEN } from "../../../../helpers/payments.ts";

const ROUTER = accountAt(99);
const BATCH: Hex = `0x${"ba".repeat(32)}`;
const HASH: Hex = `0x${"11".repeat(32)}`;
const BLOCK: Hex = `0x${"22".repeat(32)}`;
const policy = { nowMs: 1_000_000, retryRefused: false, retryRefusedAfterMs: 5_000 };

function payment(id: number, over: Partial<AuthorizationRow> = {}): AuthorizationRow {
  const authorization = { ...fakePayment({ value: 10n + BigInt(id), nonce: nonceAt(id), from: accountAt(id) }) };
  return {
    id,
    chainId: 84532,
    identity: `identity ${id}`,
    digest: HASH,
    work: { kind: "authorization", authorization, payerHasCode: false },
    deadlineSeconds: 2_000n,
    acceptedBlock: 50n,
    source: undefined,
    state: "submitted",
    reason: undefined,
    reasonCount: undefined,
    evidence: { kind: "accepted", block: 50n },
    batchId: BATCH,
    acceptedAtMs: 0,
    updatedAtMs: 0,
    tries: 1,
    nextTryAtMs: 0,
    consumedAtMs: undefined,
    ...over,
  };
}

function attempt(paymentIds: number[], over: Partial<Attempt> = {}): Attempt {
  const fees = { gas: 500_000n, maxFeePerGas: 10n, maxPriorityFeePerGas: 1n };
  const times = { createdAtMs: 0, broadcastAtMs: 0 };
  return { hash: HASH, raw: "0x", ...fees, paymentIds, kind: "router", router: ROUTER, ...times, ...over };
}

function batch(...attempts: Attempt[]): BatchRow {
  const key = { chainId: 84532, sender: accountAt(98), txNonce: 4 };
  return { id: BATCH, ...key, state: "open", attempts, receipt: undefined, createdAtMs: 0 };
}

const tokenEvents = parseAbi([
  "event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)",
  "event Transfer(address indexed from, address indexed to, uint256 value)",
]);

function settlementLogs({ work }: PaymentRow) {
  if (work.kind !== "authorization") throw new Error();
  const { from, to, value, nonce } = work.authorization;
  const uint = encodeAbiParameters([{ type: "uint256" }], [value]);
  return [
    {
      address: TOKEN,
      topics: encodeEventTopics({
        abi: tokenEvents,
        eventName: "AuthorizationUsed",
        args: { authorizer: from, nonce },
      }),
      data: "0x",
    },
    {
      address: TOKEN,
      topics: encodeEventTopics({ abi: tokenEvents, eventName: "Transfer", args: { from, to } }),
      data: uint,
    },
  ];
}

function routerLog(attempted: number, failed: number) {
  const { abi } = settlementRouterArtifact;
  const args = { caller: accountAt(98), batchId: BATCH };
  const data = encodeAbiParameters([{ type: "uint256" }, { type: "uint256" }], [BigInt(attempted), BigInt(failed)]);
  return { address: ROUTER, topics: encodeEventTopics({ abi, eventName: "BatchSettled", args }), data };
}

function receipt(logs: readonly object[], over: Partial<TransactionReceipt> = {}): TransactionReceipt {
  return {
    transactionHash: HASH,
    blockNumber: 60n,
    blockHash: BLOCK,
    status: "success",
    gasUsed: 100_001n,
    effectiveGasPrice: 7n,
    logs: logs.map((log, logIndex) => ({ ...log, logIndex })),
    ...over,
  } as TransactionReceipt;
}

describe("concludeBatch", () => {
  it("settles each item by its own logs, and shares the gas to the unit", () => {
    const rows = [payment(1), payment(2)];
    const mined = receipt([...rows.flatMap(settlementLogs), routerLog(2, 0)]);
    const { transitions, receipt: row } = concludeBatch(batch(attempt([1, 2])), attempt([1, 2]), mined, rows, policy);
    expect(row.feeWei).to.equal(700_007n);
    const evidences = transitions.map(({ evidence }) => evidence);
    expect(transitions.map(({ to }) => to)).to.deep.equal(["settled", "settled"]);
    expect(evidences.map((one) => (one.kind === "transfer" ? one.gasShare : 0n))).to.deep.equal([50_001n, 50_000n]);
    expect(evidences.map((one) => (one.kind === "transfer" ? one.logIndex : -1))).to.deep.equal([1, 3]);
  });

  it("sends back what the gas did not reach", () => {
    const rows = [payment(1), payment(2)];
    const mined = receipt([...settlementLogs(rows[0]!), routerLog(1, 0)]);
    const { transitions } = concludeBatch(batch(attempt([1, 2])), attempt([1, 2]), mined, rows, policy);
    expect(transitions[1]).to.deep.equal({
      paymentId: 2,
      from: ["batched", "submitted"],
      batchId: BATCH,
      to: "queued",
      evidence: { kind: "returned", why: "the transaction ended before it", transactionHash: HASH },
    });
  });

  it("sends back what the mined attempt left out, an older or a newer one", () => {
    const rows = [payment(1), payment(2)];
    const [first, second] = [attempt([1, 2]), attempt([1])];
    const mined = receipt([...settlementLogs(rows[0]!), routerLog(1, 0)]);
    const { transitions } = concludeBatch(batch(first, second), second, mined, rows, policy);
    expect(transitions.map(({ to }) => to)).to.deep.equal(["settled", "queued"]);
  });

  for (const [what, mined] of [
    ["reverted", receipt([], { status: "reverted" })],
    ["could not fund even the first item", receipt([routerLog(0, 0)])],
  ] as const) {
    it(`halves a batch that ${what}`, () => {
      const rows = [1, 2, 3, 4, 5].map((id) => payment(id));
      const carried = attempt([1, 2, 3, 4, 5]);
      const { transitions } = concludeBatch(batch(carried), carried, mined, rows, policy);
      expect(transitions.map(({ to, reason, reasonCount }) => [to, reason, reasonCount])).to.deep.equal(
        Array.from({ length: 5 }, () => ["queued", "batch-reverted", 2]),
      );
    });
  }

  it("quarantines what reverts alone, and what has been in too many batches that did", () => {
    const reverted = receipt([], { status: "reverted" });
    const alone = concludeBatch(batch(attempt([1])), attempt([1]), reverted, [payment(1)], policy);
    expect(alone.transitions[0]).to.include({ to: "rejected", reason: "quarantined" });
    const rows = [payment(1, { tries: 12 }), payment(2, { tries: 11 })];
    const both = concludeBatch(batch(attempt([1, 2])), attempt([1, 2]), reverted, rows, policy);
    expect(both.transitions.map(({ reason, reasonCount }) => [reason, reasonCount])).to.deep.equal([
      ["quarantined", undefined],
      ["batch-reverted", 1],
    ]);
  });

  it("quarantines what no node took even alone, with the no-op that replaced it", () => {
    const noop = attempt([], { kind: "noop", router: undefined });
    const rows = [payment(1), payment(2)];
    const { transitions } = concludeBatch(batch(attempt([1, 2]), noop), noop, receipt([]), rows, policy, new Set([2]));
    expect(transitions.map(({ to, reason }) => [to, reason])).to.deep.equal([
      ["queued", undefined],
      ["rejected", "quarantined"],
    ]);
  });

  it("settles a call by its receipt", () => {
    const work: CallWork = { kind: "call", chainId: 84532, to: ROUTER, data: "0x", gas: 1n };
    const call = { ...payment(1), work };
    const carried = attempt([1], { kind: "call", router: undefined });
    const conclude = (mined: TransactionReceipt) => concludeBatch(batch(carried), carried, mined, [call], policy);
    expect(conclude(receipt([])).transitions[0]).to.include({ to: "settled" });
    const reverted = conclude(receipt([], { status: "reverted" })).transitions[0];
    expect(reverted).to.include({ to: "rejected", reason: "reverted" });
  });
});

describe("maxItemsOf", () => {
  it("halves what reverted, down to one", () => {
    expect([9, 2, 1].map((items) => maxItemsOf(batchReverted(items)))).to.deep.equal([4, 1, 1]);
    expect(maxItemsOf({ reason: undefined, reasonCount: undefined })).to.equal(undefined);
    expect(maxItemsOf({ reason: "underfunded", reasonCount: 2 })).to.equal(undefined);
  });
});

describe("concludeRefusal", () => {
  const refusal = { reason: "underfunded", message: "no money", data: "0x" } as const;
  const where = { hash: HASH, blockNumber: 60n };
  const trying = { ...policy, retryRefused: true };

  it("ends a payment by default", () => {
    expect(concludeRefusal(payment(1), refusal, where, policy)).to.include({ to: "rejected", reason: "underfunded" });
  });

  it("tries what may pass until its deadline, if the policy says so", () => {
    expect(concludeRefusal(payment(1), refusal, where, trying)).to.include({ to: "queued", nextTryAtMs: 1_005_000 });
    const late = payment(1, { deadlineSeconds: 1_005n });
    expect(concludeRefusal(late, refusal, where, trying)).to.include({ to: "rejected" });
    expect(concludeRefusal({ ...late, deadlineSeconds: 1_006n }, refusal, where, trying)).to.include({ to: "queued" });
  });

  it("never tries again what cannot pass", () => {
    for (const reason of ["bad-signature", "gas-capped", "refused", "already-used"] as const) {
      expect(concludeRefusal(payment(1), { ...refusal, reason }, where, trying)).to.include({ to: "rejected", reason });
    }
    expect(concludeRefusal(payment(1), { ...refusal, reason: "expired" }, where, trying)).to.include({ to: "expired" });
  });
});

describe("concludeUse", () => {
  const settled = { status: "settled", transactionHash: HASH, blockNumber: 55n, logIndex: 3 } as const;

  it("is settled elsewhere if the use came after the payment was accepted, and already used otherwise", () => {
    expect(concludeUse(settled, payment(1), 60n)).to.deep.equal({
      to: "settled-elsewhere",
      evidence: { kind: "nonce-use", use: "settled", transactionHash: HASH, blockNumber: 55n, logIndex: 3 },
    });
    expect(concludeUse(settled, payment(1, { acceptedBlock: 56n }), 60n)).to.include({ to: "already-used" });
  });

  it("tells a cancellation and a variant from a settlement", () => {
    const where = { transactionHash: HASH, blockNumber: 55n };
    expect(concludeUse({ status: "cancelled", ...where }, payment(1), 60n)).to.include({ to: "cancelled" });
    expect(concludeUse({ status: "used-by-variant", ...where }, payment(1), 60n)).to.include({ to: "already-used" });
    expect(concludeUse(undefined, payment(1), 60n).evidence).to.include({ use: "unknown", blockNumber: 60n });
  });
});

describe("withUses", () => {
  it("queues a payment whose nonce is used by a transaction that was not found", () => {
    const refusal: Transition = {
      paymentId: 1,
      from: ["submitted"],
      batchId: BATCH,
      to: "rejected",
      reason: "already-used",
      evidence: { kind: "accepted", block: 1n },
    };
    const [unknown] = withUses([refusal], [payment(1)], new Map(), 60n);
    expect(unknown).to.include({ to: "queued", reason: USE_UNKNOWN, batchId: BATCH });
  });
});
