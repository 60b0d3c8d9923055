import { expect } from "chai";
import { encodeFunctionData } from "viem";
import { batchSettlementAbi as abi } from "../../../src/channels/abi.ts";
import type { ChannelRecord } from "../../../src/journal/index.ts";
import { createChannelStorage } from "../../../src/keeper/index.ts";
import { freshAddress } from "../../helpers/chainLab.ts";
import { type ChannelDesk, type Deep, ERR, openChannelDesk } from "../../helpers/channelDesk.ts";
import {
  type ChannelBody,
  channelOf,
  claimBody,
  depositBody,
  idOf,
  refundBody,
  rowOf,
  sweepBody,
} from "../../helpers/channelPayloads.ts";
import { payerOf } from "../../helpers/facilitator.ts";

describe("batch-settlement on the facilitator: claims, sweeps and refunds", () => {
  let desk: ChannelDesk;
  before(async () => {
    desk = await openChannelDesk();
  });
  after(() => desk.lab.stop());

  describe("claims", () => {
    it("leave out what cannot be claimed, report it, and claim the rest", async () => {
      const { asMerchant, funded, stateOf, sentBy } = desk;
      const channels = await Promise.all(Array.from({ length: 7 }, funded));
      const rows = await Promise.all(channels.map(({ payer, config }) => rowOf(payer, config, 500n)));
      rows[1] = await rowOf(channels[1]!.payer, channels[1]!.config, 10_001n);
      rows[3] = await rowOf(payerOf(1), channels[3]!.config, 500n);
      rows[6] = await rowOf(channels[6]!.payer, channels[6]!.config, 500n, 499n);
      let answer: Deep = {};
      const sent = await sentBy(async () => {
        answer = (await asMerchant(await claimBody(rows, false))).body;
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
      const { asMerchant, funded, stateOf } = desk;
      const { payer, config } = await funded();
      const rows = await Promise.all(Array.from({ length: 100 }, (_, i) => rowOf(payer, config, BigInt(i + 1))));
      rows[42] = await rowOf(payer, config, 10_001n);
      const { body } = await asMerchant(await claimBody(rows, false));
      expect(body.extra).to.deep.equal({
        claimed: 99,
        rejected: [{ index: 42, channelId: idOf(config), reason: "ClaimExceedsBalance" }],
      });
      expect((await stateOf(config)).totalClaimed).to.equal(100n);
    });

    it("are signed for the receiver's merchant alone, and never above what it charged", async () => {
      const { lab, facilitator, asMerchant, funded, stateOf } = desk;
      const { payer, config } = await funded();
      const channelId = idOf(config);
      // What the buyer signed, and everybody may know: 1,000, of which the merchant has charged 500.
      const published = await rowOf(payer, config, 1_000n);
      const record: ChannelRecord = {
        channelId,
        channelConfig: config,
        chargedCumulativeAmount: "500",
        signedMaxClaimable: "1000",
        signature: published.signature,
        balance: "10000",
        totalClaimed: "0",
        withdrawRequestedAt: 0,
        refundNonce: 0,
        onchainSyncedAt: 1,
        lastRequestTimestamp: 2,
      };
      const stranger = await facilitator.settle(await claimBody([published], false));
      expect(stranger.body).to.include({ success: false, errorReason: ERR("authorizer_not_configured") });
      const refund = await refundBody(config, { amount: 1n, row: published, signed: false });
      expect((await facilitator.settle(refund)).body.errorReason).to.equal(ERR("authorizer_not_configured"));
      await createChannelStorage(facilitator.journal, { chainId: lab.client.chain.id }).updateChannel(
        channelId,
        () => record,
      );
      const above = await asMerchant(await claimBody([published], false));
      expect(above.body).to.deep.include({ success: false, errorReason: ERR("claim_simulation_failed") });
      expect(above.body.errorMessage).to.equal("row 0: ClaimExceedsCharged");
      expect((await asMerchant(refund)).body.errorMessage).to.equal("row 0: ClaimExceedsCharged");
      expect((await stateOf(config)).totalClaimed).to.equal(0n);
      const charged = await rowOf(payer, config, 500n, 1_000n);
      expect((await asMerchant(await claimBody([charged], false))).body.success).to.equal(true);
      expect((await stateOf(config)).totalClaimed).to.equal(500n);
    });

    it("would not be signed for a receiver without a merchant: nothing is deposited there", async () => {
      const { facilitator, fresh } = desk;
      const { payer, config } = await fresh({ receiver: freshAddress(1) });
      const body = await depositBody(payer, config, 10_000n);
      expect((await facilitator.verify(body)).body.invalidReason).to.equal(ERR("authorizer_not_configured"));
      expect((await facilitator.settle(body)).body.errorReason).to.equal(ERR("authorizer_not_configured"));
      const own = channelOf(payer.address, freshAddress(1), { receiverAuthorizer: payerOf(2).address });
      expect((await facilitator.verify(await depositBody(payer, own, 10_000n))).body.isValid).to.equal(true);
    });

    it("of a server that signed the batch are reported to it, and nothing is sent", async () => {
      const { facilitator, funded, sentBy } = desk;
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
      const { facilitator, funded, sentBy } = desk;
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

    it("are sent once if two callers ask for the same", async () => {
      const { facilitator, funded, stateOf, sentBy } = desk;
      const { payer, config } = await funded();
      const body = await claimBody([await rowOf(payer, config, 500n)], true);
      const sent = await sentBy(async () => {
        const answers = await Promise.all([facilitator.settle(body), facilitator.settle(body)]);
        expect(answers.map((answer) => answer.body.success)).to.deep.equal([true, true]);
      });
      expect(sent).to.equal(1);
      expect((await stateOf(config)).totalClaimed).to.equal(500n);
    });

    it("are refused with the reason if the batch's signature or authorizer is wrong", async () => {
      const { lab, facilitator, fresh, funded } = desk;
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
      const { lab, facilitator, funded } = desk;
      const { payer, config } = await funded();
      expect((await facilitator.settle(sweepBody(config))).body.errorReason).to.equal(ERR("nothing_to_settle"));
      await facilitator.settle(await claimBody([await rowOf(payer, config, 500n)], true));
      const swept = await facilitator.settle(sweepBody(config));
      expect(swept.body).to.include({ success: true, amount: "500" });
      expect(await lab.balanceOf(config.receiver)).to.equal(500n);
      expect((await facilitator.settle(sweepBody(config))).body.errorReason).to.equal(ERR("nothing_to_settle"));
    });

    it("refund once, claim what is owed before, and repeat the answer to a caller who asks again", async () => {
      const { lab, facilitator, funded } = desk;
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

    it("refuse refunds with the reason", async () => {
      const { facilitator, funded, stateOf } = desk;
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
      const { lab, facilitator, funded, stateOf } = desk;
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
});
