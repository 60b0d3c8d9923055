import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/facilitator";
import { expect } from "chai";
import { encodeFunctionData, type Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { readChannelState } from "../../src/chain/channels.ts";
import { batchSettlementAbi as abi } from "../../src/channels/abi.ts";
import type { ChannelConfig } from "../../src/channels/index.ts";
import { createVerificationReads } from "../../src/facilitator/reads.ts";
import { openStore } from "../../src/settlement/store/index.ts";
import { freshAddress } from "../helpers/chainLab.ts";
import {
  authorizer,
  bodyOf,
  type ChannelBody,
  channelOf,
  claimBody,
  depositBody,
  idOf,
  refundBody,
  rowOf,
  sweepBody,
  voucherBody,
} from "../helpers/channelPayloads.ts";
import { type FacilitatorLab, openFacilitatorLab, payerOf } from "../helpers/facilitator.ts";

/** ERC-1271 by somebody who signs anything: PUSH4 magic, left-align, return 32 bytes. */
const ACCEPT_ALL: Hex = "0x631626ba7e60e01b60005260206000f3";
const ERR = (name: string) => `invalid_batch_settlement_evm_${name}`;
type Deep = Record<string, unknown>;

describe("batch-settlement on the facilitator: outcomes", () => {
  let lab: FacilitatorLab;
  let facilitator: Awaited<ReturnType<FacilitatorLab["serve"]>>;
  let seeds = 9_500;
  let receivers = 200;

  before(async () => {
    lab = await openFacilitatorLab({ blockTimeSeconds: 0 });
    facilitator = await lab.serve({ channels: { authority: authorizer } });
  });
  after(() => lab.stop());

  const fresh = async (changes: Partial<ChannelConfig> = {}) => {
    const payer = await lab.payer(seeds++);
    return { payer, config: channelOf(payer.address, freshAddress(receivers++), changes) };
  };
  /** A channel of 10,000 units. */
  const funded = async () => {
    const channel = await fresh();
    const { body } = await facilitator.settle(await depositBody(channel.payer, channel.config, 10_000n));
    expect(body.success).to.equal(true);
    return channel;
  };
  const stateOf = (config: ChannelConfig) => readChannelState(lab.client, idOf(config));
  const sentBy = async (work: () => Promise<unknown>): Promise<number> => {
    const before = await facilitator.transactions();
    await work();
    return (await facilitator.transactions()) - before;
  };

  describe("deposits", () => {
    it("has one success for each, however often it is sent", async () => {
      const { payer, config } = await fresh();
      const body = await depositBody(payer, config, 10_000n);
      const answers = await Promise.all(Array.from({ length: 6 }, () => facilitator.settle(body)));
      const successes = answers.filter((answer) => answer.body.success === true);
      expect(successes).to.have.length(1);
      expect(successes[0]?.body).to.deep.include({
        amount: "10000",
        payer: payer.address,
        extra: {
          channelState: {
            channelId: idOf(config),
            balance: "10000",
            totalClaimed: "0",
            withdrawRequestedAt: 0,
            refundNonce: "0",
          },
        },
      });
      const again = await facilitator.settle(body);
      expect(again.body).to.include({
        success: false,
        errorReason: "duplicate_settlement",
        transaction: successes[0]?.body.transaction,
      });
      expect(await stateOf(config)).to.include({ balance: 10_000n });
      expect(await lab.balanceOf(payer.address)).to.equal(990_000n);
    });

    it("answers a deposit that is not mined yet as pending, and its repetition with the one success", async () => {
      const other = await lab.serve({ policy: { answerWithinMs: 700 } });
      const { payer, config } = await fresh();
      const body = await depositBody(payer, config, 10_000n);
      await lab.chain.request("evm_setAutomine", [false]);
      const pending = await other.settle(body);
      await lab.chain.request("evm_setAutomine", [true]);
      expect(pending.body).to.include({ success: false, errorReason: "settlement_pending" });
      expect(pending.body.transaction).to.match(/^0x[0-9a-f]{64}$/);
      await lab.chain.request("evm_mine", []);
      const settled = await other.settle(body);
      expect(settled.body).to.include({ success: true, transaction: pending.body.transaction });
      expect((await other.settle(body)).body).to.include({ success: false, errorReason: "duplicate_settlement" });
    });

    it("takes back what could not be sent in time, and takes it again", async () => {
      const engine = { minimumSenderBalanceWei: 10n ** 30n };
      const store = await openStore(":memory:");
      const poor = await lab.serve({ store, engine, policy: { answerWithinMs: 300 } });
      const { payer, config } = await fresh();
      const body = await depositBody(payer, config, 10_000n);
      const unsent = await poor.settle(body);
      expect(unsent.body).to.include({
        success: false,
        errorReason: ERR("deposit_transaction_failed"),
        transaction: "",
        errorMessage: "it was not sent in time and is taken back; nothing moved",
      });
      await poor.close();
      const rich = await lab.serveAs(poor.account, { store });
      expect((await rich.settle(body)).body).to.include({ success: true, amount: "10000" });
      await rich.close();
      await store.close();
    });

    it("tells the next life of a facilitator what became of what the last one sent", async () => {
      const store = await openStore(":memory:");
      const first = await lab.serve({ store, policy: { answerWithinMs: 700 }, engine: { closeWithinMs: 0 } });
      const { payer, config } = await fresh();
      const body = await depositBody(payer, config, 10_000n);
      await lab.chain.request("evm_setAutomine", [false]);
      expect((await first.settle(body)).body.errorReason).to.equal("settlement_pending");
      await first.close();
      await lab.chain.request("evm_setAutomine", [true]);
      await lab.chain.request("evm_mine", []);
      const second = await lab.serveAs(first.account, { store });
      expect((await second.settle(body)).body).to.include({ success: true, amount: "10000" });
      expect(await stateOf(config)).to.include({ balance: 10_000n });
      await second.close();
      await store.close();
    });

    it("are refused where the voucher that comes along is bad, even if the deposit was sent before", async () => {
      const { payer, config } = await fresh();
      const body = await depositBody(payer, config, 10_000n);
      const forged = structuredClone(body) as unknown as { paymentPayload: { payload: Deep } };
      (forged.paymentPayload.payload.voucher as Deep).maxClaimableAmount = "2000";
      const first = await facilitator.settle(forged);
      expect(first.body.errorReason).to.equal(ERR("voucher_signature"));
      expect((await facilitator.settle(body)).body.success).to.equal(true);
      expect((await facilitator.settle(forged)).body.errorReason).to.equal(ERR("voucher_signature"));
    });

    it("of a payer with code go alone", async () => {
      const { payer, config } = await fresh({ payerAuthorizer: payerOf(1).address });
      await lab.chain.request("hardhat_setCode", [payer.address, ACCEPT_ALL]);
      const wallet = depositBody(payer, config, 10_000n).then(async (body) => {
        // The voucher is the authorizer's, the deposit the wallet's.
        const voucher = await voucherBody(payerOf(1), config, 1_000n);
        const payload = { ...body.paymentPayload.payload, voucher: voucher.paymentPayload.payload.voucher };
        return bodyOf(config, payload);
      });
      const plain = await fresh();
      const bodies = [await wallet, await depositBody(plain.payer, plain.config, 10_000n)];
      const answers = await Promise.all(bodies.map((body) => facilitator.settle(body)));
      expect(answers.map(({ body }) => body.success)).to.deep.equal([true, true]);
      expect(answers[0]?.body.transaction).to.not.equal(answers[1]?.body.transaction);
      const { gas } = await lab.client.getTransaction({ hash: answers[0]?.body.transaction as Hex });
      expect(gas < 250_000n).to.equal(true);
    });
  });

  describe("claims", () => {
    it("leave out what cannot be claimed, say what it is, and claim the rest", async () => {
      const channels = await Promise.all(Array.from({ length: 7 }, funded));
      const rows = await Promise.all(channels.map(({ payer, config }) => rowOf(payer, config, 500n)));
      rows[1] = await rowOf(channels[1]!.payer, channels[1]!.config, 10_001n);
      rows[3] = await rowOf(payerOf(1), channels[3]!.config, 500n);
      rows[6] = await rowOf(channels[6]!.payer, channels[6]!.config, 500n, 499n);
      let answer: Deep = {};
      const sent = await sentBy(async () => {
        answer = (await facilitator.settle(await claimBody(rows, false))).body;
      });
      expect(sent).to.equal(1);
      expect(answer).to.deep.include({ success: true, amount: "" });
      const bad = (index: number, reason: string) => ({ index, channelId: idOf(channels[index]!.config), reason });
      expect(answer.extra).to.deep.equal({
        claimed: 4,
        rejected: [bad(1, "ClaimExceedsBalance"), bad(3, "InvalidSignature"), bad(6, "ClaimExceedsCeiling")],
      });
      const totals = await Promise.all(channels.map(async ({ config }) => (await stateOf(config)).totalClaimed));
      expect(totals).to.deep.equal([500n, 0n, 500n, 0n, 500n, 500n, 0n]);
    });

    it("find one bad voucher among 100", async () => {
      const { payer, config } = await funded();
      const rows = await Promise.all(Array.from({ length: 100 }, (_, i) => rowOf(payer, config, BigInt(i + 1))));
      rows[42] = await rowOf(payer, config, 10_001n);
      const { body } = await facilitator.settle(await claimBody(rows, false));
      expect(body.extra).to.deep.equal({
        claimed: 99,
        rejected: [{ index: 42, channelId: idOf(config), reason: "ClaimExceedsBalance" }],
      });
      expect((await stateOf(config)).totalClaimed).to.equal(100n);
    });

    it("of a server that signed the batch are reported to it, and nothing is sent", async () => {
      const [good, bad] = await Promise.all([funded(), funded()]);
      const row = await rowOf(good.payer, good.config, 500n);
      const body = await claimBody([row, await rowOf(bad.payer, bad.config, 10_001n)], true);
      let answer: Deep = {};
      const sent = await sentBy(async () => {
        answer = (await facilitator.settle(body)).body;
      });
      expect(sent).to.equal(0);
      expect(answer).to.deep.include({
        success: false,
        errorReason: ERR("claim_simulation_failed"),
        errorMessage: "row 1: ClaimExceedsBalance",
        extra: {
          claimed: 0,
          rejected: [{ index: 1, channelId: idOf(bad.config), reason: "ClaimExceedsBalance" }],
        },
      });
      expect((await facilitator.settle(await claimBody([row], true))).body.success).to.equal(true);
    });

    it("that are claimed already cost nothing", async () => {
      const { payer, config } = await funded();
      const body = await claimBody([await rowOf(payer, config, 500n)], true);
      const first = await facilitator.settle(body);
      expect(first.body).to.deep.include({ success: true, extra: { claimed: 1 } });
      const sent = await sentBy(async () => {
        expect((await facilitator.settle(body)).body).to.deep.include({
          success: true,
          transaction: "",
          extra: { claimed: 0 },
        });
      });
      expect(sent).to.equal(0);
    });

    it("are sent once where two callers ask for the same", async () => {
      const { payer, config } = await funded();
      const body = await claimBody([await rowOf(payer, config, 500n)], true);
      const sent = await sentBy(async () => {
        const answers = await Promise.all([facilitator.settle(body), facilitator.settle(body)]);
        expect(answers.map((answer) => answer.body.success)).to.deep.equal([true, true]);
      });
      expect(sent).to.equal(1);
      expect((await stateOf(config)).totalClaimed).to.equal(500n);
    });

    it("are refused by name where the batch's signature or authorizer is wrong", async () => {
      const [one, two] = await Promise.all([funded(), fresh({ receiverAuthorizer: payerOf(2).address })]);
      await facilitator.settle(await depositBody(two.payer, two.config, 10_000n));
      const row = await rowOf(one.payer, one.config, 500n);
      const signed = (await claimBody([row], true)) as unknown as { paymentPayload: { payload: Deep } };
      signed.paymentPayload.payload.claims = (
        await claimBody([{ ...row, totalClaimed: 499n }], false)
      ).paymentPayload.payload.claims;
      expect((await facilitator.settle(signed)).body).to.include({
        errorReason: ERR("claim_simulation_failed"),
        errorMessage: "InvalidSignature",
      });
      const foreign = await claimBody([await rowOf(two.payer, two.config, 500n)], false);
      expect((await facilitator.settle(foreign)).body.errorReason).to.equal(ERR("authorizer_address_mismatch"));
      const plain = await lab.serve();
      expect((await plain.settle(await claimBody([row], false))).body.errorReason).to.equal(
        ERR("authorizer_not_configured"),
      );
    });
  });

  describe("sweeps and refunds", () => {
    it("sweep what was claimed, once", async () => {
      const { payer, config } = await funded();
      expect((await facilitator.settle(sweepBody(config))).body.errorReason).to.equal(ERR("nothing_to_settle"));
      await facilitator.settle(await claimBody([await rowOf(payer, config, 500n)], true));
      const swept = await facilitator.settle(sweepBody(config));
      expect(swept.body).to.include({ success: true, amount: "500" });
      expect(await lab.balanceOf(config.receiver)).to.equal(500n);
      expect((await facilitator.settle(sweepBody(config))).body.errorReason).to.equal(ERR("nothing_to_settle"));
    });

    it("refund once, claim what is owed before, and repeat the answer to who asks again", async () => {
      const { payer, config } = await funded();
      const body = await refundBody(config, { amount: 20_000n, row: await rowOf(payer, config, 700n) });
      const first = await facilitator.settle(body);
      expect(first.body).to.deep.include({ success: true, amount: "9300", payer: payer.address });
      expect((first.body.extra as Deep).channelState).to.include({
        balance: "700",
        totalClaimed: "700",
        refundNonce: "1",
      });
      expect((await facilitator.settle(body)).body).to.include({
        success: true,
        amount: "9300",
        transaction: first.body.transaction,
      });
      expect(await lab.balanceOf(payer.address)).to.equal(999_300n);
    });

    it("refuse refunds by name", async () => {
      const { payer, config } = await funded();
      const row = await rowOf(payer, config, 700n);
      const reasonFor = async (body: ChannelBody) => {
        const answer = await facilitator.settle(body);
        return [answer.body.errorReason, answer.body.errorMessage];
      };
      expect(await reasonFor(await refundBody(config, { amount: 1n, nonce: 1n, row }))).to.deep.equal([
        ERR("refund_simulation_failed"),
        "InvalidRefundNonce",
      ]);
      const everything = await rowOf(payer, config, 10_000n);
      expect((await reasonFor(await refundBody(config, { amount: 1n, row: everything })))[0]).to.equal(
        ERR("refund_no_balance"),
      );
      expect((await reasonFor(await refundBody(config, { amount: 1n, row, signed: false })))[0]).to.equal(
        ERR("authorizer_not_configured"),
      );
      expect((await stateOf(config)).refundNonce).to.equal(0n);
    });

    it("shrink a withdrawal that the payer has announced", async () => {
      const { payer, config } = await funded();
      const { batchSettlement } = lab.chain;
      await lab.chain.request("hardhat_setBalance", [payer.address, "0xde0b6b3a7640000"]);
      await lab.chain.request("hardhat_impersonateAccount", [payer.address]);
      const data = encodeFunctionData({ abi, functionName: "initiateWithdraw", args: [config, 8_000n] });
      await lab.chain.request("eth_sendTransaction", [{ from: payer.address, to: batchSettlement, data }]);
      const { withdrawRequestedAt } = await stateOf(config);
      expect(withdrawRequestedAt).to.be.above(0);
      const row = await rowOf(payer, config, 700n);
      const stateAfter = async (amount: bigint, nonce: bigint) => {
        const { body } = await facilitator.settle(await refundBody(config, { amount, nonce, row }));
        return (body.extra as { channelState: Deep }).channelState;
      };
      expect(await stateAfter(3_000n, 0n)).to.include({ balance: "7000", withdrawRequestedAt });
      expect(await stateAfter(5_000n, 1n)).to.include({ balance: "2000", withdrawRequestedAt: 0 });
    });
  });

  describe("verification", () => {
    /** The official class on the same chain, without anything of this project around it. */
    const official = async (body: ChannelBody) => {
      const { signer } = createVerificationReads(lab.client, { simulate: true, addresses: () => [] });
      return new BatchSettlementEvmScheme(signer).verify(body.paymentPayload, body.paymentRequirements);
    };
    type Change = (body: { paymentPayload: { payload: Deep; accepted: Deep }; paymentRequirements: Deep }) => void;
    const inConfig = (change: Deep): Change => {
      return ({ paymentPayload }) => Object.assign(paymentPayload.payload.channelConfig as Deep, change);
    };
    const inRequirements = (change: Deep): Change => {
      return ({ paymentRequirements }) => Object.assign(paymentRequirements, change);
    };
    const inExtra = (change: Deep): Change => {
      return ({ paymentRequirements }) => Object.assign(paymentRequirements.extra as Deep, change);
    };
    const inDeposit = (change: Deep): Change => {
      return ({ paymentPayload }) => {
        const { authorization } = paymentPayload.payload.deposit as { authorization: { erc3009Authorization: Deep } };
        Object.assign(authorization.erc3009Authorization, change);
      };
    };
    const wrong: readonly [string, string, Change][] = [
      ["another salt", "channel_id_mismatch", inConfig({ salt: `0x${"11".repeat(32)}` })],
      ["another payee", "receiver_mismatch", inRequirements({ payTo: freshAddress(1) })],
      ["another authorizer", "receiver_authorizer_mismatch", inExtra({ receiverAuthorizer: freshAddress(1) })],
      ["another delay", "withdraw_delay_mismatch", inExtra({ withdrawDelay: 901 })],
      ["no domain of the token", "missing_eip712_domain", inExtra({ name: undefined })],
      ["an expired authorization", "payload_authorization_valid_before", inDeposit({ validBefore: "1" })],
      ["an early authorization", "payload_authorization_valid_after", inDeposit({ validAfter: "4102444800" })],
      ["another signature", "receive_authorization_signature", inDeposit({ signature: `0x${"11".repeat(65)}` })],
    ];
    for (const [what, name, change] of wrong) {
      it(`refuses a deposit with ${what} as the official class does`, async () => {
        const { payer, config } = await fresh();
        const body = structuredClone(await depositBody(payer, config, 10_000n));
        change(body as unknown as Parameters<Change>[0]);
        const answer = await facilitator.verify(body);
        expect(answer.status).to.equal(200);
        expect(answer.body).to.include({ isValid: false, invalidReason: ERR(name), payer: payer.address });
        expect((await official(body)).invalidReason).to.equal(ERR(name));
        expect((await facilitator.settle(body)).body).to.include({ success: false, errorReason: ERR(name) });
      });
    }

    it("judges vouchers and refunds as the official class does, and returns the channel", async () => {
      const { payer, config } = await funded();
      const other = await fresh();
      const bodies = [
        await voucherBody(payer, config, 1_000n),
        await voucherBody(payer, config, 10_001n),
        await voucherBody(payerOf(1), config, 1_000n),
        await voucherBody(other.payer, other.config, 1_000n),
      ];
      const answers = await Promise.all(bodies.map((body) => facilitator.verify(body)));
      expect(answers.map(({ body }) => body.invalidReason)).to.deep.equal([
        undefined,
        ERR("cumulative_exceeds_balance"),
        ERR("voucher_signature"),
        ERR("channel_not_found"),
      ]);
      expect(answers[0]?.body.extra).to.deep.equal({
        channelId: idOf(config),
        balance: "10000",
        totalClaimed: "0",
        withdrawRequestedAt: 0,
        refundNonce: "0",
      });
      for (const [index, body] of bodies.entries()) {
        expect((await official(body)).invalidReason).to.equal(answers[index]?.body.invalidReason);
      }
      await facilitator.settle(await claimBody([await rowOf(payer, config, 1_000n)], true));
      expect((await facilitator.verify(bodies[0])).body.invalidReason).to.equal(ERR("cumulative_below_claimed"));
      const refund = structuredClone(bodies[0]) as unknown as { paymentPayload: { payload: Deep } };
      refund.paymentPayload.payload.type = "refund";
      expect((await facilitator.verify(refund)).body.isValid).to.equal(true);
    });

    it("names what is malformed, and never answers 500", async () => {
      const { payer, config } = await fresh();
      const body = await depositBody(payer, config, 10_000n);
      const { payload } = body.paymentPayload;
      const { channelConfig: _, ...unnamed } = payload;
      const row = await rowOf(payer, config, 1n);
      const cases: readonly [unknown, string][] = [
        [bodyOf(config, { type: "gift" }), "payload_type"],
        [bodyOf(config, unnamed), "deposit_payload"],
        [bodyOf(config, { ...payload, deposit: { amount: "-1", authorization: {} } }), "deposit_payload"],
        [
          bodyOf(config, { ...payload, deposit: { amount: "1", authorization: { permit2Authorization: {} } } }),
          "erc3009_authorization_required",
        ],
        [bodyOf(config, { type: "claim", claims: [] }), "claim_payload"],
        [bodyOf(config, { type: "claim", claims: new Array(201).fill(row) }), "claim_payload"],
        [bodyOf(config, { type: "settle", receiver: "me", token: config.token }), "settle_payload"],
        [bodyOf(config, { type: "refund", channelConfig: config }), "refund_payload"],
        [bodyOf(config, { type: "voucher", channelConfig: config }), "payload_type"],
      ];
      for (const [one, name] of cases) {
        // Bigints are for the rows that are refused by their number.
        const text = JSON.stringify(one, (__, value) => (typeof value === "bigint" ? value.toString() : value));
        const answer = await facilitator.settle(JSON.parse(text));
        expect([answer.status, answer.body.errorReason], name).to.deep.equal([200, ERR(name)]);
      }
      const strange = await facilitator.verify({
        ...body,
        paymentRequirements: { ...body.paymentRequirements, extra: { receiverAuthorizer: 5 } },
      });
      expect([strange.status, strange.body.isValid]).to.deep.equal([200, false]);
      const token = await facilitator.verify({
        ...body,
        paymentRequirements: { ...body.paymentRequirements, asset: freshAddress(1) },
      });
      expect(token.body.invalidReason).to.equal("invalid_payment_requirements");
    });

    it("does not answer for a node that is away", async () => {
      const { payer, config } = await fresh();
      const body = await depositBody(payer, config, 10_000n);
      const { call } = lab.client;
      Object.assign(lab.client, {
        call: () => Promise.reject(new Error("away")),
      });
      try {
        const answer = await facilitator.verify(body);
        expect([answer.status, answer.body.invalidReason]).to.deep.equal([503, "unexpected_verify_error"]);
      } finally {
        Object.assign(lab.client, { call });
      }
    });
  });

  it("keeps minimum deposits", async () => {
    const { payer, config } = await fresh();
    const strict = await lab.serve({ policy: { assets: [{ address: config.token, minimum: 10_001n }] } });
    const { body } = await strict.settle(await depositBody(payer, config, 10_000n));
    expect(body.errorReason).to.equal("invalid_payment_requirements");
  });

  it("sends from the facilitator's key alone", async () => {
    const { payer, config } = await fresh();
    const { body } = await facilitator.settle(await depositBody(payer, config, 10_000n));
    const { from } = await lab.client.getTransaction({ hash: body.transaction as Hex });
    expect(privateKeyToAccount(lab.chain.accounts[19]!.privateKey).address.toLowerCase()).to.equal(from.toLowerCase());
  });
});
