import { expect } from "chai";
import { type Hex, keccak256, toEventSelector } from "viem";
import { encodeTransfer } from "../../../../src/authorization/encode.ts";
import type { SignedAuthorization } from "../../../../src/authorization/types.ts";
import { MULTICALL3_ADDRESS } from "../../../../src/chain/multicall3.ts";
import type { PaymentRow } from "../../../../src/journal/index.ts";
import { type LocalChain, startLocalChain } from "../../../../src/local/index.ts";
import type { SettlementEngine } from "../../../../src/settlement/engine/types.ts";
import type { CallSubmission } from "../../../../src/settlement/intake/admit.ts";
import { BURNING_CODE } from "../../../helpers/chainLab.ts";
import { type EngineLab, PATIENT, rowOf, until } from "../../../helpers/engineLab.ts";
import { eachInLab } from "../../../helpers/engineSuite.ts";

/** Nothing is rebroadcast or replaced. */
const HELD = { replaceAfterMs: 600_000, rebroadcastAfterMs: 600_000 };
const USED = toEventSelector("AuthorizationUsed(address,bytes32)");

describe("createSettlementEngine: calls that share a transaction", () => {
  let chain: LocalChain;
  let lab: EngineLab;
  eachInLab(
    () => startLocalChain(),
    (...opened) => {
      [chain, lab] = opened;
    },
  );

  const pad = (address: Hex): Hex => `0x${address.slice(2).toLowerCase().padStart(64, "0")}`;
  /** A transfer by authorization as a call, proved by the use of its nonce. */
  const callOf = (authorization: SignedAuthorization, gas = 90_000n): CallSubmission => {
    const data = encodeTransfer(authorization);
    return {
      key: keccak256(data),
      to: chain.usdc,
      data,
      gas,
      proof: { address: chain.usdc, topics: [USED, pad(authorization.from), authorization.nonce] },
      deadlineSeconds: BigInt(Math.floor(Date.now() / 1000)) + 600n,
    };
  };
  /** Submits calls to an engine that waits until all of them are in its queue. */
  const submit = async (engine: SettlementEngine, calls: readonly CallSubmission[]) => {
    const outcomes = Promise.all(calls.map((call) => engine.submitCall(call)));
    await Promise.race([lab.flushAt(engine, calls.length), outcomes]);
    return (await outcomes).map(rowOf);
  };
  const hashOf = ({ evidence }: PaymentRow) => ("transactionHash" in evidence ? evidence.transactionHash : undefined);
  const sent = () => lab.client.getTransactionCount({ address: lab.account.address });

  it("settles them in one transaction, each proved by its own log and with its part of the gas", async () => {
    const engine = await lab.start(PATIENT);
    const payee = lab.payee();
    const rows = await submit(
      engine,
      (await lab.payments(6, { to: payee })).map((one) => callOf(one)),
    );
    expect(rows.map(({ state }) => state)).to.deep.equal(new Array(6).fill("settled"));
    expect(new Set(rows.map(hashOf)).size).to.equal(1);
    expect(await sent()).to.equal(1);
    const receipt = await lab.receipt(hashOf(rows[0]!)!);
    expect(receipt?.to?.toLowerCase()).to.equal(MULTICALL3_ADDRESS.toLowerCase());
    const parts = rows.map(({ evidence }) => (evidence.kind === "receipt" ? evidence.gasUsed : 0n));
    expect(parts.reduce((sum, part) => sum + part, 0n)).to.equal(receipt?.gasUsed);
    expect(await lab.balanceOf(payee)).to.equal(6n * 1_000n + 15n);
  });

  it("takes out what the pre-flight refuses, with the reason, and sends the rest", async () => {
    const engine = await lab.start(PATIENT);
    const [good, late] = await lab.payments(2);
    const expired = { ...late!, validBefore: 1n };
    const [settled, refused] = await submit(engine, [callOf(good!), callOf(expired)]);
    expect(settled?.state).to.equal("settled");
    expect([refused?.state, refused?.reason]).to.deep.equal(["rejected", "reverted"]);
    expect(refused?.evidence).to.include({
      kind: "refusal",
      message: "FiatTokenV2: authorization is expired",
      transactionHash: undefined,
    });
    expect(await sent()).to.equal(1);
  });

  it("sends one of two that exclude each other", async () => {
    const engine = await lab.start(PATIENT);
    const [one] = await lab.payments(1);
    const rows = await submit(engine, [callOf(one!), { ...callOf(one!), key: "again" }]);
    expect(rows.map(({ state }) => state).sort()).to.deep.equal(["rejected", "settled"]);
    expect(await sent()).to.equal(1);
  });

  it("tells apart in the receipt what settled and what reverted only on chain", async () => {
    await chain.request("evm_setAutomine", [false]);
    const engine = await lab.start({ ...PATIENT, ...HELD });
    const payments = await lab.payments(3);
    const waiting = submit(
      engine,
      payments.map((one) => callOf(one)),
    );
    await until(() => lab.said("transaction handed out").length > 0);
    // Somebody else is first: the pre-flight was good, but not the block.
    const bribe = { maxPriorityFeePerGas: "0x2540be400", maxFeePerGas: "0x174876e800" };
    await lab.sendAs(lab.accountAt(9).address, chain.usdc, encodeTransfer(payments[1]!), bribe);
    await lab.mine();
    const rows = await waiting;
    expect(rows.map(({ state }) => state)).to.deep.equal(["settled", "rejected", "settled"]);
    expect(new Set(rows.map(hashOf)).size).to.equal(1);
    expect(rows[1]?.evidence).to.include({ kind: "refusal", reason: "reverted" });
  });

  it("are sent again in halves if their transaction reverts as a whole on chain, and alone in the end", async () => {
    await chain.request("evm_setAutomine", [false]);
    const engine = await lab.start({ ...PATIENT, ...HELD });
    const code = await lab.client.getCode({ address: MULTICALL3_ADDRESS });
    const waiting = submit(
      engine,
      (await lab.payments(4)).map((one) => callOf(one)),
    );
    const sizes: number[][] = [];
    for (const [round, batches] of [1, 2, 4].entries()) {
      await until(
        async () => (await lab.openBatches()).length === batches && (await lab.journal.count()).queued === undefined,
      );
      sizes.push((await lab.openBatches()).map(({ attempts }) => attempts[0]!.paymentIds.length));
      await until(() => lab.said("transaction handed out").length === 2 ** (round + 1) - 1);
      // The pre-flight was good; in the block Multicall3 reverts.
      await lab.setCode(MULTICALL3_ADDRESS, "0x5f5ffd");
      await lab.mine();
      await lab.setCode(MULTICALL3_ADDRESS, code!);
    }
    expect((await waiting).map(({ state }) => state)).to.deep.equal(new Array(4).fill("settled"));
    expect(sizes).to.deep.equal([[4], [2, 2], [1, 1, 1, 1]]);
  });

  it("isolates a call that uses up the gas of the others", async () => {
    const engine = await lab.start(PATIENT);
    const burner = lab.payee();
    await lab.setCode(burner, BURNING_CODE);
    const calls = (await lab.payments(3)).map((one) => callOf(one));
    const burn = { ...calls[0]!, key: "burn", to: burner, data: "0x01" as const };
    const rows = await submit(engine, [calls[0]!, burn, calls[1]!, calls[2]!]);
    expect(rows.map(({ state }) => state)).to.deep.equal(["settled", "rejected", "settled", "settled"]);
    expect(rows[1]?.evidence).to.include({ kind: "refusal", transactionHash: undefined });
  });

  it("cuts them into transactions that keep to the gas cap", async () => {
    const engine = await lab.start({ ...PATIENT, limits: { maxGasPerTransaction: 450_000n } });
    const rows = await submit(
      engine,
      (await lab.payments(7)).map((one) => callOf(one)),
    );
    expect(rows.every(({ state }) => state === "settled")).to.equal(true);
    expect(await sent()).to.be.within(2, 3);
    for (const hash of new Set(rows.map(hashOf))) {
      const { gas } = await lab.client.getTransaction({ hash: hash! });
      expect(gas <= 450_000n).to.equal(true);
    }
  });

  it("sends them one by one if there is no Multicall3", async () => {
    const code = await lab.client.getCode({ address: MULTICALL3_ADDRESS });
    await lab.setCode(MULTICALL3_ADDRESS, "0x");
    try {
      const engine = await lab.start(PATIENT);
      const rows = await submit(
        engine,
        (await lab.payments(3)).map((one) => callOf(one)),
      );
      expect(rows.map(({ state }) => state)).to.deep.equal(["settled", "settled", "settled"]);
      expect(await sent()).to.equal(3);
    } finally {
      await lab.setCode(MULTICALL3_ADDRESS, code!);
    }
  });

  it("are concluded by the next engine if the first one ends before they are mined", async () => {
    await chain.request("evm_setAutomine", [false]);
    const first = await lab.start({ ...PATIENT, ...HELD });
    const rows = await Promise.all(
      (await lab.payments(4)).map(async (one) => rowOf(await first.acceptCall(callOf(one)))),
    );
    first.flush();
    await until(() => lab.said("transaction handed out").length > 0);
    await first.close({ finishWithinMs: 0 });
    const second = await lab.start(HELD);
    await lab.mine();
    for (const { id } of rows) expect((await second.outcome(id)).state).to.equal("settled");
    expect(await sent()).to.equal(1);
  });

  it("are replaced without those that are too late", async () => {
    await chain.request("evm_setAutomine", [false]);
    const engine = await lab.start({ ...PATIENT, ...HELD, replaceAfterMs: 100_000 });
    const calls = (await lab.payments(3)).map((one) => callOf(one));
    const soon = { ...calls[0]!, deadlineSeconds: BigInt(Math.floor(lab.clock.now() / 1000)) + 100n };
    const waiting = submit(engine, [soon, calls[1]!, calls[2]!]);
    await until(() => lab.said("transaction handed out").length > 0);
    lab.clock.jump(110_000);
    const replaced = await until(async () => (await lab.openBatches())[0]?.attempts[1]);
    expect(replaced.paymentIds).to.have.length(2);
    await until(() => lab.said("transaction handed out").some(({ fields }) => fields.hash === replaced.hash));
    await lab.mine();
    await until(async () => (await lab.openBatches()).length === 0);
    const [late, ...others] = await waiting;
    expect(others.map(({ state }) => state)).to.deep.equal(["settled", "settled"]);
    expect(late?.state).to.equal("expired");
  });
});
