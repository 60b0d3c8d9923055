import { expect } from "chai";
import { network } from "hardhat";
import { deployChannels, MINUTES_15, payer, payerAuthorizer, receiver } from "../../helpers/channels.ts";

const { viem, networkHelpers } = await network.create();
const account = payer.address;

async function fixture() {
  const deployed = await deployChannels(viem, networkHelpers);
  const { settlement, configOf, deposit, time } = deployed;
  await deposit(configOf(), 100n);
  await settlement.write.initiateWithdraw([configOf(), 80n], { account });
  return { ...deployed, initiatedAt: await time.latest() };
}

describe("MockBatchSettlement: finalizeWithdraw", () => {
  it("pays the payer what was announced, to the second after the delay", async () => {
    const { settlement, configOf, idOf, initiatedAt, time, balanceOf, stateOf, withdrawalOf } =
      await networkHelpers.loadFixture(fixture);
    await time.setNextBlockTimestamp(initiatedAt + MINUTES_15 - 1);
    await viem.assertions.revertWithCustomError(
      settlement.write.finalizeWithdraw([configOf()], { account }),
      settlement,
      "WithdrawDelayNotElapsed",
    );
    await time.setNextBlockTimestamp(initiatedAt + MINUTES_15);
    const sent = settlement.write.finalizeWithdraw([configOf()], { account: payerAuthorizer.address });
    await viem.assertions.emitWithArgs(sent, settlement, "WithdrawFinalized", [
      idOf(configOf()),
      payerAuthorizer.address,
      80n,
    ]);
    expect(await balanceOf(payer.address)).to.equal(980n);
    expect(await stateOf(configOf())).to.deep.equal([20n, 0n]);
    expect(await withdrawalOf(configOf())).to.deep.equal([0n, 0]);
  });

  it("pays less when it was claimed meanwhile, and nothing when all was", async () => {
    for (const [claimed, paid] of [
      [50n, 50n],
      [100n, 0n],
    ] as const) {
      const { settlement, configOf, idOf, row, claim, time, balanceOf, stateOf } =
        await networkHelpers.loadFixture(fixture);
      await claim([await row(configOf(), claimed)]);
      await time.increase(MINUTES_15);
      const sent = settlement.write.finalizeWithdraw([configOf()], { account });
      await viem.assertions.emitWithArgs(sent, settlement, "WithdrawFinalized", [idOf(configOf()), account, paid]);
      expect(await balanceOf(payer.address)).to.equal(900n + paid);
      expect(await stateOf(configOf())).to.deep.equal([100n - paid, claimed]);
    }
  });

  it("makes vouchers that were not claimed in time worthless", async () => {
    const { settlement, configOf, row, claim, time } = await networkHelpers.loadFixture(fixture);
    await time.increase(MINUTES_15);
    await settlement.write.finalizeWithdraw([configOf()], { account });
    await viem.assertions.revertWithCustomError(claim([await row(configOf(), 21n)]), settlement, "ClaimExceedsBalance");
    await claim([await row(configOf(), 20n, 100n)]);
  });

  it("closes a channel that it empties if nothing was claimed from it, so that it can be created again", async () => {
    const { settlement, configOf, idOf, time, deposit } = await networkHelpers.loadFixture(fixture);
    await time.increase(MINUTES_15);
    await settlement.write.finalizeWithdraw([configOf()], { account });
    expect(await settlement.getEvents.ChannelClosed()).to.have.length(0);
    await settlement.write.initiateWithdraw([configOf(), 20n], { account });
    await time.increase(MINUTES_15);
    const sent = settlement.write.finalizeWithdraw([configOf()], { account });
    await viem.assertions.emitWithArgs(sent, settlement, "ChannelClosed", [idOf(configOf()), configOf()]);
    await viem.assertions.emit(deposit(configOf(), 1n), settlement, "ChannelCreated");
  });

  it("reverts when no withdrawal is pending, also a second time", async () => {
    const { settlement, configOf, time } = await networkHelpers.loadFixture(fixture);
    await time.increase(MINUTES_15);
    await settlement.write.finalizeWithdraw([configOf()], { account });
    await viem.assertions.revertWithCustomError(
      settlement.write.finalizeWithdraw([configOf()], { account }),
      settlement,
      "WithdrawalNotPending",
    );
  });

  it("reverts when anyone else asks", async () => {
    const { settlement, configOf, time } = await networkHelpers.loadFixture(fixture);
    await time.increase(MINUTES_15);
    await viem.assertions.revertWithCustomError(
      settlement.write.finalizeWithdraw([configOf()], { account: receiver.address }),
      settlement,
      "NotAuthorizedToFinalizeWithdraw",
    );
  });
});
