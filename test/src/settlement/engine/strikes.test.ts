import { expect } from "chai";
import { type Address, encodeFunctionData, erc20Abi, type Hex, keccak256, toEventSelector } from "viem";
import { encodeTransfer } from "../../../../src/authorization/encode.ts";
import { FACILITATOR_ENGINE } from "../../../../src/facilitator/admission/policy.ts";
import { type LocalChain, startLocalChain } from "../../../../src/local/index.ts";
import type { CallSubmission } from "../../../../src/settlement/intake/admit.ts";
import { BURNING_CODE } from "../../../helpers/chainLab.ts";
import { acceptAll, type EngineLab, rowOf, until } from "../../../helpers/engineLab.ts";
import { eachInLab } from "../../../helpers/engineSuite.ts";

const USED = toEventSelector("AuthorizationUsed(address,bytes32)");
/** Nothing is replaced during a test. */
const PATIENT = { replaceAfterMs: 600_000, rebroadcastAfterMs: 600_000 };
const FIRST = { maxPriorityFeePerGas: "0x2540be400", maxFeePerGas: "0x174876e800" };

describe("createSettlementEngine: payers and signers who cost gas after a pre-flight", () => {
  let chain: LocalChain;
  let lab: EngineLab;
  eachInLab(
    () => startLocalChain(),
    (...opened) => {
      [chain, lab] = opened;
    },
  );

  const strikesOf = async (account: Address) =>
    (await lab.journal.strikes(lab.client.chain.id, [account])).get(account)?.strikes ?? 0;
  const handedOut = () => lab.said("transaction handed out").length;

  describe("payers who drain", () => {
    it("have no more than 50 payments on their way, get a strike, and wait", async () => {
      await chain.request("evm_setAutomine", [false]);
      const { unprovenInFlight } = FACILITATOR_ENGINE;
      const engine = await lab.start({ ...PATIENT, unprovenInFlight, strikeMs: 600_000, maxInFlight: 16 });
      const payer = await lab.payer(200n);
      const payments = await lab.payments(0);
      const to = lab.payee();
      for (let i = 0; i < 200; i += 1) payments.push(await lab.sign(payer, { to, value: 1n }));
      const rows = await acceptAll(engine, payments);
      const carried = await until(async () => {
        const items = (await lab.openBatches()).flatMap(({ attempts }) => attempts[0]!.paymentIds);
        return items.length > 0 && handedOut() > 0 ? items : undefined;
      });
      expect(carried).to.have.length(50);
      const away = encodeFunctionData({ abi: erc20Abi, functionName: "transfer", args: [to, 200n] });
      await lab.sendAs(payer.address, chain.usdc, away, FIRST);
      const before = await lab.client.getBlockNumber();
      await lab.mine();
      await until(async () => (await lab.openBatches()).length === 0);
      // Failed payments take more gas than settled ones: the last ones were not reached.
      const reasons = await Promise.all(carried.map(async (id) => (await lab.row(id)).reason));
      expect(reasons.filter((reason) => reason === "underfunded")).to.have.length.above(30);
      const block = await lab.client.getBlock({ blockNumber: before + 1n });
      expect(block.gasUsed < 50n * 45_000n + 200_000n, `${block.gasUsed}`).to.equal(true);
      expect(await strikesOf(payer.address)).to.equal(1);
      // A quarter of the wait for code that burns gas.
      const entry = (await lab.journal.strikes(lab.client.chain.id, [payer.address])).get(payer.address);
      expect(entry!.untilMs - Date.now()).to.be.within(0, 150_000);
      // Their other payments wait or are refused, and none is sent, with money or without.
      await lab.mint(payer.address, 200n);
      const sent = await lab.client.getTransactionCount({ address: lab.account.address });
      const again = await acceptAll(engine, [await lab.sign(payer, { to, value: 1n })]);
      await until(async () => (await lab.states(again[0]!.id)).length > 1);
      expect((await lab.row(again[0]!.id)).state).to.equal("queued");
      expect(await lab.client.getTransactionCount({ address: lab.account.address })).to.equal(sent);
      expect(rows).to.have.length(200);
    });

    it("by cancelling get a strike too, but not if a stranger settled", async () => {
      await chain.request("evm_setAutomine", [false]);
      const engine = await lab.start(PATIENT);
      const honest = await lab.payer(1_000n);
      const payments = [await lab.sign(honest, { to: lab.payee(), value: 1n }), ...(await lab.payments(2))];
      const rows = await acceptAll(engine, payments);
      await until(() => handedOut() > 0);
      await lab.sendAs(lab.accountAt(9).address, chain.usdc, encodeTransfer(payments[0]!), FIRST);
      await lab.mine();
      expect((await engine.outcome(rows[0]!.id)).state).to.equal("settled-elsewhere");
      expect(await strikesOf(honest.address)).to.equal(0);
    });
  });

  describe("signers of calls", () => {
    const pad = (address: Hex): Hex => `0x${address.slice(2).toLowerCase().padStart(64, "0")}`;
    const deadlineSeconds = BigInt(Math.floor(Date.now() / 1000)) + 6_000n;

    /** Calls of different payers, one of them a stranger who can change their own code. */
    const callsWith = async (count: number) => {
      const trap = lab.payee();
      const stranger = lab.payee();
      await lab.setCode(trap, "0x00");
      const proof = { address: trap, topics: [USED] };
      const hostile: CallSubmission = {
        ...{ key: `trap ${trap}`, to: trap, data: "0x01", gas: 90_000n, proof, deadlineSeconds },
        signers: [stranger],
      };
      const calls: CallSubmission[] = [];
      for (let i = 0; i < count; i += 1) {
        const payer = await lab.payer(10_000n);
        const one = await lab.sign(payer, { to: lab.payee(), value: 1n });
        const data = encodeTransfer(one);
        calls.push({
          ...{ key: keccak256(data), to: chain.usdc, data, gas: 90_000n, deadlineSeconds, signers: [payer.address] },
          proof: { address: chain.usdc, topics: [USED, pad(one.from), one.nonce] },
        });
      }
      return { trap, stranger, hostile, calls };
    };
    const sizes = async () => (await lab.openBatches()).map(({ attempts }) => attempts[0]!.paymentIds.length);

    it("share a transaction with 7 others at most; when one burns its gas, all go alone and nobody else is held back", async () => {
      await chain.request("evm_setAutomine", [false]);
      const engine = await lab.start({
        ...PATIENT,
        maxInFlight: 30,
        strikeMs: 600_000,
        lossConfirmations: 1,
        lingerMs: 400,
        maxLingerMs: 400,
      });
      const { trap, stranger, hostile, calls } = await callsWith(11);
      const all = [hostile, ...calls];
      const rows = (await Promise.all(all.map((call) => engine.acceptCall(call)))).map(rowOf);
      const trapped = rows[0]!;
      await until(() => handedOut() >= 2);
      expect((await sizes()).sort()).to.deep.equal([4, 8]);
      const shared = (await lab.openBatches()).find(({ attempts }) => attempts[0]!.paymentIds.includes(trapped.id))!;
      await lab.setCode(trap, BURNING_CODE);
      await lab.mine();
      await lab.setCode(trap, "0x00");
      // The calls that shared with it go alone.
      await until(() => handedOut() >= 2 + shared.attempts[0]!.paymentIds.length);
      const burnt = (await lab.journal.batch(shared.id))!.receipt!.gasUsed;
      expect(burnt < 8n * 110_000n, `${burnt}`).to.equal(true);
      expect(new Set(await sizes())).to.deep.equal(new Set([1]));
      expect(await strikesOf(stranger)).to.equal(1);
      await lab.setCode(trap, BURNING_CODE);
      await lab.mine();
      await lab.setCode(trap, "0x00");
      for (const { id } of rows.slice(1)) expect((await engine.outcome(id)).state).to.equal("settled");
      expect((await engine.outcome(trapped.id)).state).to.equal("rejected");
      await until(async () => (await strikesOf(stranger)) === 2);

      // They wait now, and the others do not.
      const again = rowOf(await engine.acceptCall({ ...hostile, key: "again" }));
      await until(async () => (await lab.states(again.id)).length > 1);
      const { state, nextTryAtMs } = await lab.row(again.id);
      expect([state, nextTryAtMs > Date.now() + 600_000]).to.deep.equal(["queued", true]);
    });

    it("are sent with exactly the gas of a pre-flight that passes, or not at all", async () => {
      const engine = await lab.start();
      const { hostile, trap } = await callsWith(0);
      const { proof: _, ...alone } = hostile;
      await lab.setCode(trap, BURNING_CODE);
      const row = rowOf(await engine.submitCall(alone));
      expect([row.state, row.reason]).to.deep.equal(["rejected", "reverted"]);
      expect(row.evidence).to.include({ kind: "refusal", transactionHash: undefined });
      expect(await lab.client.getTransactionCount({ address: lab.account.address })).to.equal(0);
    });
  });
});
