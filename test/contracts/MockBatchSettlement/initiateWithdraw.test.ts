import { expect } from "chai";
import { network } from "hardhat";
import { deployChannels, MINUTES_15, payer, payerAuthorizer, receiver } from "../../helpers/channels.ts";

const { viem, networkHelpers } = await network.create();

async function fixture() {
  const deployed = await deployChannels(viem, networkHelpers);
  await deployed.deposit(deployed.configOf(), 100n);
  await deployed.claim([await deployed.row(deployed.configOf(), 30n)]);
  return deployed;
}

describe("MockBatchSettlement: initiateWithdraw", () => {
  for (const [who, account] of [
    ["payer", payer.address],
    ["payer authorizer", payerAuthorizer.address],
  ] as const) {
    it(`starts the delay when the ${who} asks, and moves nothing`, async () => {
      const { settlement, configOf, idOf, withdrawalOf, stateOf, time } = await networkHelpers.loadFixture(fixture);
      const at = (await time.latest()) + 100;
      await time.setNextBlockTimestamp(at);
      await viem.assertions.emitWithArgs(
        settlement.write.initiateWithdraw([configOf(), 70n], { account }),
        settlement,
        "WithdrawInitiated",
        [idOf(configOf()), 70n, at + MINUTES_15],
      );
      expect(await withdrawalOf(configOf())).to.deep.equal([70n, at]);
      expect(await stateOf(configOf())).to.deep.equal([100n, 30n]);
    });
  }

  it("reverts when anyone else asks", async () => {
    const { settlement, configOf } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.revertWithCustomError(
      settlement.write.initiateWithdraw([configOf(), 1n], { account: receiver.address }),
      settlement,
      "InvalidChannel",
    );
  });

  it("reverts when the amount is zero, or more than the channel holds unclaimed", async () => {
    const { settlement, configOf } = await networkHelpers.loadFixture(fixture);
    const account = payer.address;
    const { revertWithCustomError } = viem.assertions;
    await revertWithCustomError(
      settlement.write.initiateWithdraw([configOf(), 0n], { account }),
      settlement,
      "NothingToWithdraw",
    );
    await revertWithCustomError(
      settlement.write.initiateWithdraw([configOf(), 71n], { account }),
      settlement,
      "WithdrawAmountExceedsAvailable",
    );
  });

  it("reverts when a withdrawal is pending", async () => {
    const { settlement, configOf } = await networkHelpers.loadFixture(fixture);
    const account = payer.address;
    await settlement.write.initiateWithdraw([configOf(), 1n], { account });
    await viem.assertions.revertWithCustomError(
      settlement.write.initiateWithdraw([configOf(), 1n], { account }),
      settlement,
      "WithdrawalAlreadyPending",
    );
  });
});
