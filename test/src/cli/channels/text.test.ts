import { expect } from "chai";
import { describeActivity } from "../../../../src/cli/channels/text.ts";

describe("describeActivity", () => {
  const payee = `0x${"11".repeat(20)}` as const;
  const payer = `0x${"22".repeat(20)}` as const;
  const channelId = `0x${"33".repeat(32)}` as const;
  const transaction = `0x${"44".repeat(32)}` as const;
  const common = { payee, token: payee, transaction, blockNumber: 1n, gasUsed: 100_000n, feeWei: 5n * 10n ** 14n };

  it("names a claim's payee, amount, transaction and fee, and each channel", () => {
    const channels = [
      { channelId, payer, amount: 1_500n },
      { channelId, payer, amount: 500n },
    ];
    expect(describeActivity({ kind: "claimed", amount: 2_000n, channels, ...common })).to.deep.equal([
      `0.002 claimed for ${payee} in ${transaction}, for 0.0005 ETH`,
      `  0.0015 of channel ${channelId}, payer ${payer}`,
      `  0.0005 of channel ${channelId}, payer ${payer}`,
    ]);
  });

  it("says what a sweep sent, and whose payers got a refund", () => {
    const [sweep] = describeActivity({ kind: "swept", amount: 2_000n, channels: [], ...common });
    expect(sweep).to.equal(`0.002 swept to ${payee} in ${transaction}, for 0.0005 ETH`);
    const [refund] = describeActivity({ kind: "refunded", amount: 7n, channels: [], ...common });
    expect(refund).to.contain(`0.000007 given back to payers of ${payee}`);
  });
});
