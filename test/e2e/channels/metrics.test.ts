import { expect } from "chai";
import { freshAddress } from "../../helpers/chainLab.ts";
import {
  bodyOf,
  channelOf,
  claimBody,
  depositBody,
  refundBody,
  rowOf,
  sweepBody,
  voucherBody,
} from "../../helpers/channelPayloads.ts";
import { openFacilitatorLab } from "../../helpers/facilitator.ts";
import { until } from "../../helpers/until.ts";

const PREFIX = "invalid_batch_settlement_evm";

describe("batch-settlement on the facilitator: metrics", () => {
  it("counts and times what it verified and settled, by kind and reason, and names no channel", async () => {
    const lab = await openFacilitatorLab({ blockTimeSeconds: 0 });
    try {
      const answerWithinMs = 20_000;
      const facilitator = await lab.serve({ policy: { answerWithinMs } });
      const payer = await lab.payer(9_900);
      const config = channelOf(payer.address, freshAddress(900));
      const deposit = await depositBody(payer, config, 10_000n);
      const { body: verified } = await facilitator.verify(deposit);
      expect(verified.isValid).to.equal(true);
      for (let i = 0; i < 2; i += 1) await facilitator.settle(deposit);
      await facilitator.verify(await voucherBody(payer, config, 2_000n));
      await facilitator.verify(await voucherBody(payer, config, 10_001n));
      await facilitator.settle(sweepBody(config));
      await facilitator.settle(await claimBody([await rowOf(payer, config, 500n)], true));
      await facilitator.settle(sweepBody(config));
      await facilitator.settle(await refundBody(config, { amount: 1_000n, row: await rowOf(payer, config, 700n) }));
      await facilitator.settle(bodyOf(config, { type: config.payer }));
      const late = await depositBody(payer, { ...config, salt: `0x${"01".repeat(32)}` }, 10_000n);
      await lab.chain.request("evm_setAutomine", [false]);
      const settling = facilitator.settle(late);
      await until(async () => (await facilitator.journal.count()).submitted === 1, "it is sent");
      lab.clock.jump(answerWithinMs);
      await settling;
      await lab.chain.request("evm_setAutomine", [true]);
      await lab.chain.request("evm_mine", []);

      const text = await (await facilitator.get("/metrics")).text();
      const lines = text.split("\n").filter((line) => line.startsWith("tributary_channel_"));
      const of = (metric: string) => lines.filter((line) => line.startsWith(`tributary_channel_${metric}{`)).sort();
      expect(of("verifications_total")).to.deep.equal([
        'tributary_channel_verifications_total{kind="deposit",result="valid"} 1',
        `tributary_channel_verifications_total{kind="voucher",result="${PREFIX}_cumulative_exceeds_balance"} 1`,
        'tributary_channel_verifications_total{kind="voucher",result="valid"} 1',
      ]);
      const settled = (kind: string, outcome: string, reason: string, count = 1) =>
        `tributary_channel_settlements_total{kind="${kind}",outcome="${outcome}",reason="${reason}"} ${count}`;
      expect(of("settlements_total")).to.deep.equal([
        settled("claim", "settled", ""),
        settled("deposit", "failed", "duplicate_settlement"),
        settled("deposit", "pending", ""),
        settled("deposit", "settled", ""),
        settled("other", "failed", `${PREFIX}_payload_type`),
        settled("refund", "settled", ""),
        settled("settle", "failed", `${PREFIX}_nothing_to_settle`),
        settled("settle", "settled", ""),
      ]);
      expect(of("verify_seconds_count")).to.deep.equal([
        'tributary_channel_verify_seconds_count{kind="deposit"} 1',
        'tributary_channel_verify_seconds_count{kind="voucher"} 2',
      ]);
      const pending = of("settle_seconds_sum").find((line) => line.includes('kind="deposit",outcome="pending"'));
      expect(Number(pending?.split(" ")[1])).to.be.at.least(answerWithinMs / 1_000);
      expect(lines.filter((line) => line.includes("0x"))).to.deep.equal([]);
      // The scheme exact has its own metrics.
      expect(text).not.to.match(/tributary_(verifications|settlements)_total\{/);
    } finally {
      await lab.stop();
    }
  });
});
