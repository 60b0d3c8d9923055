import { expect } from "chai";
import { encodeFunctionData, type Hex, parseSignature } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { encodeTransfer } from "../../../../src/authorization/encode.ts";
import type { SignedAuthorization } from "../../../../src/authorization/types.ts";
import { connectChain } from "../../../../src/chain/client.ts";
import { mockUSDCArtifact } from "../../../../src/contracts/MockUSDC.ts";
import { type LocalChain, startLocalChain } from "../../../../src/local/index.ts";
import { networks } from "../../../../src/networks.ts";
import { CallKeyError } from "../../../../src/settlement/intake/admit.ts";
import { ACCEPT_ALL, BURNING_CODE, startFaultyNode } from "../../../helpers/chainLab.ts";
import { acceptAll, type EngineLab, openEngineLab, PATIENT, rowOf, until } from "../../../helpers/engineLab.ts";
import { eachInLab } from "../../../helpers/engineSuite.ts";
import { usdcTypes } from "../../../helpers/usdc.ts";

const { abi } = mockUSDCArtifact;
describe("createSettlementEngine: outcomes", () => {
  let chain: LocalChain;
  let lab: EngineLab;

  eachInLab(
    () => startLocalChain(),
    (...opened) => {
      [chain, lab] = opened;
    },
  );
  let snapshot: unknown;
  beforeEach(async () => {
    snapshot = await chain.request("evm_snapshot");
  });
  // The chain's time too.
  afterEach(() => chain.request("evm_revert", [snapshot]));

  /** A deadline that is far enough away to be met, and that no test waits for. */
  /** A deadline that neither the chain nor the engine reaches by itself, however slow the machine. */
  const later = async (): Promise<bigint> => {
    const [chainSeconds, ownSeconds] = [await chain.now(), BigInt(Math.ceil(lab.clock.now() / 1000))];
    return (chainSeconds > ownSeconds ? chainSeconds : ownSeconds) + 300n;
  };
  /** Lets the engine's time pass until then. */
  const pass = (seconds: bigint) => lab.clock.jump(Number(seconds) * 1000 + 1000 - lab.clock.now());

  const somebody = () => lab.accountAt(9).address;
  const settleElsewhere = (authorization: SignedAuthorization) =>
    lab.sendAs(somebody(), chain.usdc, encodeTransfer(authorization));
  const asOwner = (data: Hex) => lab.sendAs(chain.accounts[0]!.address, chain.usdc, data);
  const setBlocked = (functionName: "blacklist" | "unBlacklist", payer: Hex) =>
    asOwner(encodeFunctionData({ abi, functionName, args: [payer] }));
  const cancelAuthorization = async ({ from, nonce }: SignedAuthorization, privateKey: Hex): Promise<Hex> => {
    const { name, version, address: verifyingContract } = networks.baseSepolia.usdc;
    const signature = await privateKeyToAccount(privateKey).signTypedData({
      domain: { name, version, chainId: 84532, verifyingContract },
      types: usdcTypes,
      primaryType: "CancelAuthorization",
      message: { authorizer: from, nonce },
    });
    const { r, s, v } = parseSignature(signature);
    const args = [from, nonce, Number(v), r, s] as const;
    return lab.sendAs(somebody(), chain.usdc, encodeFunctionData({ abi, functionName: "cancelAuthorization", args }));
  };

  it("settled: with its transaction, block and log, and every step in its history, up to final", async () => {
    const engine = await lab.start();
    const authorizations = await lab.payments(3);
    const rows = await acceptAll(engine, authorizations);
    for (const [i, { id }] of rows.entries()) {
      const { state, evidence } = await engine.outcome(id);
      expect(state).to.equal("settled");
      if (evidence.kind !== "transfer") throw new Error("no transfer");
      const receipt = await lab.receipt(evidence.transactionHash);
      expect(receipt?.blockHash).to.equal(evidence.blockHash);
      const log = receipt?.logs.find(({ logIndex }) => logIndex === evidence.logIndex);
      expect(BigInt(log?.data ?? "0x0")).to.equal(authorizations[i]!.value);
    }
    const { id } = rows[0]!;
    await until(async () => {
      const { evidence } = await lab.row(id);
      return evidence.kind === "transfer" && evidence.level === "final";
    });
    expect(await lab.states(id)).to.deep.equal(["queued", "batched", "submitted", "settled", "settled"]);
    const mined = await lab.journal.batches({ chainId: 84532, sender: lab.account.address, states: ["final"] });
    const fees = (await Promise.all(rows.map((row) => lab.row(row.id)))).map(({ evidence }) =>
      evidence.kind === "transfer" ? evidence.feeShareWei : 0n,
    );
    expect(fees.reduce((a, b) => a + b)).to.equal(
      mined.reduce((sum, { receipt }) => sum + (receipt?.feeWei ?? 0n), 0n),
    );
  });

  it("settled-elsewhere: somebody else submitted it, with that transaction", async () => {
    const engine = await lab.start(PATIENT);
    const [authorization] = await lab.payments(1);
    const [row] = await acceptAll(engine, [authorization!]);
    const hash = await settleElsewhere(authorization!);
    await engine.close();
    const next = await lab.start();
    const { state, evidence } = await next.outcome(row!.id);
    expect(state).to.equal("settled-elsewhere");
    expect(evidence).to.include({ kind: "nonce-use", use: "settled", transactionHash: hash });
    expect(await lab.client.getTransactionCount({ address: lab.account.address })).to.equal(0);
  });

  it("cancelled: the payer cancelled the nonce, with that transaction", async () => {
    const engine = await lab.start(PATIENT);
    const [authorization] = await lab.payments(1);
    const [row] = await acceptAll(engine, [authorization!]);
    const hash = await cancelAuthorization(authorization!, lab.accountAt(1).privateKey);
    await engine.close();
    const { state, evidence } = await (await lab.start()).outcome(row!.id);
    expect(state).to.equal("cancelled");
    expect(evidence).to.include({ kind: "nonce-use", use: "cancelled", transactionHash: hash });
  });

  it("already-used: refused by intake when the nonce was used before", async () => {
    const [authorization] = await lab.payments(1);
    await settleElsewhere(authorization!);
    const engine = await lab.start();
    const [admission] = await engine.accept([{ authorization: authorization! }]);
    expect(admission).to.deep.equal({
      status: "refused",
      reason: "already-used",
      message: "its nonce was used or cancelled before it was submitted",
    });
    expect(await lab.journal.count()).to.deep.equal({});
  });

  it("already-used: a variant's nonce is gone with the transaction of the one that settled", async () => {
    const nonce: Hex = `0x${"5a".repeat(32)}`;
    const [first, second] = [
      await lab.sign(lab.accountAt(1), { to: lab.payee(), value: 900n, nonce }),
      await lab.sign(lab.accountAt(1), { to: lab.payee(), value: 800n, nonce }),
    ];
    const engine = await lab.start();
    const rows = await acceptAll(engine, [first, second]);
    expect(rows[0]!.id).to.not.equal(rows[1]!.id);
    const outcomes = await Promise.all(rows.map(({ id }) => engine.outcome(id)));
    const winner = outcomes.find(({ state }) => state === "settled");
    const loser = outcomes.find(({ state }) => state === "already-used");
    expect(winner?.evidence).to.have.property("transactionHash");
    expect(loser?.evidence).to.include({
      kind: "nonce-use",
      use: "used-by-variant",
      transactionHash: winner?.evidence.kind === "transfer" ? winner.evidence.transactionHash : undefined,
    });
    expect(await lab.journal.count()).to.deep.equal({ settled: 1, "already-used": 1 });
  });

  it("already-used: a variant that was refused, and is submitted again after another one settled", async () => {
    const payer = await lab.payer(500n);
    const nonce: Hex = `0x${"5c".repeat(32)}`;
    const engine = await lab.start();
    const terms = { to: lab.payee(), nonce };
    const [large, larger, small] = [
      await lab.sign(payer, { ...terms, value: 501n }),
      await lab.sign(payer, { ...terms, value: 502n }),
      await lab.sign(payer, { ...terms, value: 500n }),
    ];
    expect(rowOf(await engine.submit({ authorization: large })).reason).to.equal("underfunded");
    const { id } = rowOf(await engine.submit({ authorization: larger }));
    const winner = rowOf(await engine.submit({ authorization: small }));
    expect(winner.state).to.equal("settled");
    const hash = winner.evidence.kind === "transfer" ? winner.evidence.transactionHash : undefined;
    const again = rowOf(await engine.submit({ authorization: large }));
    // A retry by an operator ends the same way.
    expect(await engine.retry(id)).to.equal(true);
    const retried = rowOf({ status: "accepted", row: await engine.outcome(id), isNew: false });
    for (const { state, evidence } of [again, retried]) {
      expect(state).to.equal("already-used");
      expect(evidence).to.include({ kind: "nonce-use", use: "used-by-variant", transactionHash: hash });
    }
  });

  it("already-used and settled-elsewhere: each variant learns what a foreign transaction did to it", async () => {
    const nonce: Hex = `0x${"5b".repeat(32)}`;
    const first = await lab.sign(lab.accountAt(1), { to: lab.payee(), value: 900n, nonce });
    const second = await lab.sign(lab.accountAt(1), { to: lab.payee(), value: 800n, nonce });
    const patient = await lab.start(PATIENT);
    const rows = await acceptAll(patient, [first, second]);
    const hash = await settleElsewhere(second);
    await patient.close();
    const engine = await lab.start();
    const outcomes = await Promise.all(rows.map(({ id }) => engine.outcome(id)));
    expect(outcomes.map(({ state }) => state)).to.deep.equal(["already-used", "settled-elsewhere"]);
    expect(outcomes[0]!.evidence).to.include({ use: "used-by-variant", transactionHash: hash });
    expect(outcomes[1]!.evidence).to.include({ use: "settled", transactionHash: hash });
  });

  it("bad-signature: refused by intake, and nothing is stored", async () => {
    const [a, b] = await lab.payments(2);
    const engine = await lab.start();
    const [admission] = await engine.accept([{ authorization: { ...a!, signature: b!.signature } }]);
    expect(admission).to.include({ status: "refused", reason: "bad-signature" });
    expect(await lab.journal.count()).to.deep.equal({});
  });

  it("underfunded: rejected at once by default", async () => {
    const payer = await lab.payer(500n);
    const engine = await lab.start();
    const [row] = await acceptAll(engine, [await lab.sign(payer, { to: lab.payee(), value: 501n })]);
    const { state, reason, evidence } = await engine.outcome(row!.id);
    expect([state, reason]).to.deep.equal(["rejected", "underfunded"]);
    expect(evidence).to.include({ kind: "refusal", message: "the payer has 500, the payment takes 501" });
  });

  it("underfunded: tried until its deadline if the policy says so, and settled once it is funded", async () => {
    const payer = await lab.payer(500n);
    const engine = await lab.start({ retryRefused: true });
    const [row] = await acceptAll(engine, [await lab.sign(payer, { to: lab.payee(), value: 501n })]);
    await until(async () => (await lab.row(row!.id)).reason === "underfunded");
    expect((await lab.row(row!.id)).state).to.equal("queued");
    await lab.mint(payer.address, 501n);
    expect((await engine.outcome(row!.id)).state).to.equal("settled");
  });

  it("underfunded: the same terms are tried again when they are submitted again, once the payer has the money", async () => {
    const payer = await lab.payer(500n);
    const engine = await lab.start();
    const authorization = await lab.sign(payer, { to: lab.payee(), value: 501n });
    const first = rowOf(await engine.submit({ authorization }));
    expect(first.state).to.equal("rejected");
    await lab.mint(payer.address, 501n);
    const second = rowOf(await engine.submit({ authorization }));
    expect(second.id).to.equal(first.id);
    expect(second.state).to.equal("settled");
    const again = rowOf(await engine.submit({ authorization }));
    expect(again.evidence).to.deep.equal((await lab.row(first.id)).evidence);
    expect((await lab.states(first.id)).slice(0, 4)).to.deep.equal(["queued", "rejected", "queued", "batched"]);
  });

  it("blocked and token-paused: rejected with what the token says", async () => {
    const payer = await lab.payer(5_000n);
    await setBlocked("blacklist", payer.address);
    const engine = await lab.start();
    const authorization = await lab.sign(payer, { to: lab.payee(), value: 10n });
    const blocked = rowOf(await engine.submit({ authorization }));
    expect([blocked.state, blocked.reason]).to.deep.equal(["rejected", "blocked"]);
    await setBlocked("unBlacklist", payer.address);
    await asOwner(encodeFunctionData({ abi, functionName: "pause" }));
    const paused = rowOf(await engine.submit({ authorization }));
    expect([paused.state, paused.reason]).to.deep.equal(["rejected", "token-paused"]);
    await asOwner(encodeFunctionData({ abi, functionName: "unpause" }));
    expect(rowOf(await engine.submit({ authorization })).state).to.equal("settled");
  });

  it("expired: first provisionally, then with the proof that it can never settle", async () => {
    const engine = await lab.start(PATIENT);
    const validBefore = await later();
    const [row] = await acceptAll(engine, await lab.payments(1, { validBefore }));
    pass(validBefore);
    const { state, evidence } = await engine.outcome(row!.id);
    expect(state).to.equal("expired");
    expect(evidence).to.include({ kind: "deadline" });
    // A block after the deadline, which is final here at once.
    await chain.request("evm_mine", [Number(validBefore) + 1]);
    const proof = await until(async () => {
      const now = (await lab.row(row!.id)).evidence;
      return now.kind === "deadline" && now.final ? now : undefined;
    });
    expect(proof.blockTimestamp >= validBefore).to.equal(true);
    expect(await lab.client.getTransactionCount({ address: lab.account.address })).to.equal(0);
  });

  it("expired: an engine that starts later completes the proof", async () => {
    const engine = await lab.start({ ...PATIENT, finalityMs: 600_000 });
    const validBefore = await later();
    const [row] = await acceptAll(engine, await lab.payments(1, { validBefore }));
    pass(validBefore);
    expect((await engine.outcome(row!.id)).state).to.equal("expired");
    await engine.close();
    await chain.request("evm_mine", [Number(validBefore) + 1]);
    await lab.start();
    await until(async () => {
      const { evidence } = await lab.row(row!.id);
      return evidence.kind === "deadline" && evidence.final;
    });
  });

  it("expired: no proof by the time of a node whose final block is far in the future", async () => {
    let looks = 0;
    const node = await startFaultyNode(chain.rpcUrl, ({ method, params: [tag] }) => {
      if (method !== "eth_getBlockByNumber" || tag !== "finalized") return "pass";
      looks += 1;
      return { alter: (block) => ({ ...(block as object), timestamp: "0xfffffffff" }) };
    });
    lab.later(node.stop);
    const validBefore = BigInt(Math.ceil(lab.clock.now() / 1000)) + 1_000n;
    const quiet = await lab.start(PATIENT);
    const [row] = await acceptAll(quiet, await lab.payments(1, { validBefore }));
    await quiet.close();
    const evidence = { kind: "deadline", blockNumber: 1n, blockTimestamp: validBefore, final: false } as const;
    await lab.journal.transition([{ paymentId: row!.id, from: ["queued"], to: "expired", evidence }], lab.clock.now());
    await lab.start({}, { chain: { client: await connectChain(node.rpcUrl) } });
    const seen = looks;
    await until(() => looks > seen + 20);
    expect((await lab.row(row!.id)).evidence).to.include({ final: false });
    lab.clock.jump(1_001_000);
    await until(async () => {
      const now = (await lab.row(row!.id)).evidence;
      return now.kind === "deadline" && now.final;
    });
  });

  it("rejected and then settled by somebody else: says so when its deadline is final", async () => {
    const payer = await lab.payer(0n);
    const engine = await lab.start();
    const validBefore = await later();
    const authorization = await lab.sign(payer, { to: lab.payee(), value: 10n, validBefore });
    const row = rowOf(await engine.submit({ authorization }));
    expect(row.reason).to.equal("underfunded");
    await lab.mint(payer.address, 10n);
    const hash = await settleElsewhere(authorization);
    await chain.request("evm_mine", [Number(validBefore) + 1]);
    pass(validBefore);
    const found = await until(async () => {
      const now = await lab.row(row.id);
      return now.state === "settled-elsewhere" ? now : undefined;
    });
    expect(found.evidence).to.include({ transactionHash: hash });
  });

  it("gas-capped: rejected, and the payer gets a strike that doubles", async () => {
    const payer = await lab.payer(1_000_000n, ACCEPT_ALL);
    const pay = () => lab.sign(payer, { to: lab.payee(), value: 10n });
    const strikes = async () => (await lab.journal.strikes(84532, [payer.address])).get(payer.address);
    const authorization = await pay();
    const before = lab.clock.now();
    // It accepts at intake, and burns afterwards.
    const patient = await openEngineLab(chain, { journal: lab.journal });
    const holder = await patient.start(PATIENT);
    const [row] = await acceptAll(holder, [authorization]);
    await lab.setCode(payer.address, BURNING_CODE);
    const engine = await lab.start({ strikeMs: 60_000 });
    const outcome = await engine.outcome(row!.id);
    expect([outcome.state, outcome.reason]).to.deep.equal(["rejected", "gas-capped"]);
    const first = await strikes();
    expect(first?.strikes).to.equal(1);
    expect(first!.untilMs - before >= 60_000 && first!.untilMs - lab.clock.now() <= 60_000).to.equal(true);
    expect(await engine.retry(row!.id)).to.equal(true);
    // Held back: it waits, although an operator asked.
    await until(async () => (await lab.row(row!.id)).nextTryAtMs === first!.untilMs);
    expect((await lab.row(row!.id)).state).to.equal("queued");
    await patient.close();
  });

  it("gas-capped: a held payer's payments wait until the strike is over, others continue, the next strike is longer", async () => {
    const payer = await lab.payer(1_000_000n, ACCEPT_ALL);
    const engine = await lab.start({ strikeMs: 60_000 });
    await lab.journal.strike(84532, payer.address, lab.clock.now() + 50_000);
    const authorization = await lab.sign(payer, { to: lab.payee(), value: 10n });
    const [held, ...others] = await acceptAll(engine, [authorization, ...(await lab.payments(2))]);
    for (const { id } of others) expect((await engine.outcome(id)).state).to.equal("settled");
    expect((await lab.row(held!.id)).state).to.equal("queued");
    await lab.setCode(payer.address, BURNING_CODE);
    lab.clock.jump(50_000);
    expect((await engine.outcome(held!.id)).reason).to.equal("gas-capped");
    const { strikes, untilMs } = (await lab.journal.strikes(84532, [payer.address])).get(payer.address)!;
    expect(strikes).to.equal(2);
    expect(untilMs - lab.clock.now()).to.be.within(60_001, 120_000);
  });

  it("not-attempted: what the gas did not reach goes back to the queue and settles with the next one", async () => {
    let times = 0;
    const stingy: typeof lab.account = {
      ...lab.account,
      signTransaction: (async (transaction: { gas: bigint }) => {
        times += 1;
        const gas = times === 1 ? (transaction.gas * 6n) / 10n : transaction.gas;
        return lab.account.signTransaction({ ...transaction, gas } as never);
      }) as never,
    };
    const engine = await lab.start({}, { senders: [stingy] });
    const rows = await acceptAll(engine, await lab.payments(12));
    for (const { id } of rows) expect((await engine.outcome(id)).state).to.equal("settled");
    const steps = (await Promise.all(rows.map(({ id }) => lab.journal.history(id)))).flat();
    const returned = steps.filter(({ evidence }) => evidence.kind === "returned");
    expect(returned.length > 0 && returned.length < 12).to.equal(true);
    expect(returned[0]!.evidence).to.include({ why: "the transaction ended before it" });
  });

  it("a token that lost its code: refused by intake, and waited for if it was there before", async () => {
    const code = await lab.client.getCode({ address: chain.usdc });
    const patient = await lab.start(PATIENT);
    const [row] = await acceptAll(patient, await lab.payments(1));
    await patient.close();
    const [late] = await lab.payments(1);
    await lab.setCode(chain.usdc, "0x");
    try {
      const engine = await lab.start();
      await until(async () => (await lab.states(row!.id)).length > 1);
      expect((await lab.row(row!.id)).state).to.equal("queued");
      const [admission] = await engine.accept([{ authorization: late! }]);
      expect(admission).to.include({ status: "refused", reason: "missing-token" });
      await lab.setCode(chain.usdc, code!);
      expect((await engine.outcome(row!.id)).state).to.equal("settled");
    } finally {
      await lab.setCode(chain.usdc, code!);
    }
  });

  it("quarantined: a call whose effect no node can tell is set aside, and nothing is sent", async () => {
    const engine = await lab.start();
    const deadlineSeconds = (await lab.nowSeconds()) + 600n;
    const admission = await engine.submitCall({
      key: "too much gas",
      to: lab.payee(),
      data: "0x",
      gas: 2n ** 25n,
      deadlineSeconds,
    });
    const row = rowOf(admission);
    expect([row.state, row.reason]).to.deep.equal(["rejected", "quarantined"]);
    expect(await lab.client.getTransactionCount({ address: lab.account.address })).to.equal(0);
    const [payment] = await acceptAll(engine, await lab.payments(1));
    expect((await engine.outcome(payment!.id)).state).to.equal("settled");
  });

  it("submitCall: settled with its receipt, reverted, expired, and the same key means the same call", async () => {
    const engine = await lab.start();
    const deadlineSeconds = BigInt(Math.floor(Date.now() / 1000)) + 600n;
    const call = { key: "a", to: lab.payee(), data: "0x", gas: 21_000n, deadlineSeconds } as const;
    const settled = rowOf(await engine.submitCall(call));
    expect(settled.state).to.equal("settled");
    expect(settled.evidence).to.include({ kind: "receipt", gasUsed: 21_000n });
    expect(rowOf(await engine.submitCall(call)).id).to.equal(settled.id);
    expect(await lab.client.getTransactionCount({ address: lab.account.address })).to.equal(1);
    const clash = await engine.submitCall({ ...call, gas: 22_000n }).catch((error: unknown) => error);
    expect(clash).to.be.instanceOf(CallKeyError);

    const data = encodeFunctionData({ abi, functionName: "transfer", args: [lab.payee(), 1n] });
    const reverted = rowOf(await engine.submitCall({ ...call, key: "b", to: chain.usdc, data, gas: 90_000n }));
    expect([reverted.state, reverted.reason]).to.deep.equal(["rejected", "reverted"]);

    const late = rowOf(await engine.submitCall({ ...call, key: "c", deadlineSeconds: 1n }));
    expect(late.state).to.equal("expired");
  });

  it("cancel takes a payment out of the queue, and none that is in a batch", async () => {
    const engine = await lab.start(PATIENT);
    const [row] = await acceptAll(engine, await lab.payments(1));
    expect(await engine.cancel(row!.id)).to.equal(true);
    expect((await engine.outcome(row!.id)).state).to.equal("cancelled");
    expect(await engine.cancel(row!.id)).to.equal(false);
  });
});
