import { expect } from "chai";
import { network } from "hardhat";
import { deployChannels, payer, receiver, receiverAuthorizer } from "../../helpers/channels.ts";

const { viem, networkHelpers } = await network.create();
const account = receiver.address;

async function fixture() {
  const deployed = await deployChannels(viem, networkHelpers);
  await deployed.deposit(deployed.configOf(), 100n);
  return deployed;
}

describe("MockBatchSettlement: refund", () => {
  for (const [who, caller] of [
    ["receiver", receiver.address],
    ["receiver authorizer", receiverAuthorizer.address],
  ] as const) {
    it(`gives back what the ${who} says`, async () => {
      const { settlement, configOf, idOf, stateOf, balanceOf } = await networkHelpers.loadFixture(fixture);
      const sent = settlement.write.refund([configOf(), 40n], { account: caller });
      await viem.assertions.emitWithArgs(sent, settlement, "Refunded", [idOf(configOf()), caller, 40n]);
      expect(await stateOf(configOf())).to.deep.equal([60n, 0n]);
      expect(await balanceOf(payer.address)).to.equal(940n);
      expect(await settlement.read.refundNonce([idOf(configOf())])).to.equal(1n);
    });
  }

  it("gives back what is left when that is less, never what was claimed", async () => {
    const { settlement, configOf, idOf, row, claim, stateOf } = await networkHelpers.loadFixture(fixture);
    await claim([await row(configOf(), 30n)]);
    const sent = settlement.write.refund([configOf(), 1_000n], { account });
    await viem.assertions.emitWithArgs(sent, settlement, "Refunded", [idOf(configOf()), account, 70n]);
    expect(await stateOf(configOf())).to.deep.equal([30n, 30n]);
    expect(await settlement.getEvents.ChannelClosed()).to.have.length(0);
  });

  it("uses a nonce even when nothing is left", async () => {
    const { settlement, configOf, idOf, row, claim } = await networkHelpers.loadFixture(fixture);
    await claim([await row(configOf(), 100n)]);
    await settlement.write.refund([configOf(), 5n], { account });
    expect(await settlement.getEvents.Refunded()).to.have.length(0);
    expect(await settlement.read.refundNonce([idOf(configOf())])).to.equal(1n);
  });

  it("closes a channel that it empties if nothing was claimed from it", async () => {
    const { settlement, configOf, idOf } = await networkHelpers.loadFixture(fixture);
    const sent = settlement.write.refund([configOf(), 100n], { account });
    await viem.assertions.emitWithArgs(sent, settlement, "ChannelClosed", [idOf(configOf()), configOf()]);
  });

  it("shrinks a pending withdrawal by what it gave back, and ends one that it covers", async () => {
    const { settlement, configOf, withdrawalOf } = await networkHelpers.loadFixture(fixture);
    await settlement.write.initiateWithdraw([configOf(), 80n], { account: payer.address });
    const [, initiatedAt] = await withdrawalOf(configOf());
    await settlement.write.refund([configOf(), 30n], { account });
    expect(await withdrawalOf(configOf())).to.deep.equal([50n, initiatedAt]);
    await settlement.write.refund([configOf(), 50n], { account });
    expect(await withdrawalOf(configOf())).to.deep.equal([0n, 0]);
  });

  it("leaves the withdrawal when nothing was given back", async () => {
    const { settlement, configOf, withdrawalOf, row, claim } = await networkHelpers.loadFixture(fixture);
    await settlement.write.initiateWithdraw([configOf(), 80n], { account: payer.address });
    const before = await withdrawalOf(configOf());
    await claim([await row(configOf(), 100n)]);
    await settlement.write.refund([configOf(), 80n], { account });
    expect(await withdrawalOf(configOf())).to.deep.equal(before);
  });

  it("reverts when anyone else asks, and when the amount is zero", async () => {
    const { settlement, configOf, idOf } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.revertWithCustomError(
      settlement.write.refund([configOf(), 1n], { account: payer.address }),
      settlement,
      "NotAuthorizedToRefund",
    );
    await viem.assertions.revertWithCustomError(
      settlement.write.refund([configOf(), 0n], { account }),
      settlement,
      "ZeroRefund",
    );
    expect(await settlement.read.refundNonce([idOf(configOf())])).to.equal(0n);
  });
});
