import { expect } from "chai";
import { network } from "hardhat";
import { BATCH_SETTLEMENT_ADDRESS, ERC3009_DEPOSIT_COLLECTOR_ADDRESS } from "../../../src/channels/index.ts";
import { deployChannels, payer } from "../../helpers/channels.ts";

const { viem, networkHelpers } = await network.create();

async function fixture() {
  return deployChannels(viem, networkHelpers);
}

describe("MockDepositCollector: collect", () => {
  it("passes the payer's tokens to the settlement contract and keeps nothing", async () => {
    const { collector, configOf, idOf, depositData, usdc, balanceOf } = await networkHelpers.loadFixture(fixture);
    await networkHelpers.impersonateAccount(BATCH_SETTLEMENT_ADDRESS);
    await networkHelpers.setBalance(BATCH_SETTLEMENT_ADDRESS, 10n ** 18n);
    await collector.write.collect(
      [payer.address, usdc.address, 7n, idOf(configOf()), await depositData(configOf(), 7n)],
      { account: BATCH_SETTLEMENT_ADDRESS },
    );
    expect(await balanceOf(BATCH_SETTLEMENT_ADDRESS)).to.equal(7n);
    expect(await balanceOf(ERC3009_DEPOSIT_COLLECTOR_ADDRESS)).to.equal(0n);
  });

  it("reverts when anyone else calls, so nobody can divert a deposit", async () => {
    const { collector, configOf, idOf, depositData, usdc } = await networkHelpers.loadFixture(fixture);
    expect(await collector.read.x402BatchSettlement()).to.equal(BATCH_SETTLEMENT_ADDRESS);
    await viem.assertions.revertWithCustomError(
      collector.write.collect([payer.address, usdc.address, 7n, idOf(configOf()), await depositData(configOf(), 7n)]),
      collector,
      "OnlyX402BatchSettlement",
    );
  });
});
