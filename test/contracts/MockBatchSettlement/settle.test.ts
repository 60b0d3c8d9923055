import { expect } from "chai";
import { network } from "hardhat";
import { BATCH_SETTLEMENT_ADDRESS } from "../../../src/channels/index.ts";
import { deployChannels, receiver } from "../../helpers/channels.ts";

const { viem, networkHelpers } = await network.create();

async function fixture() {
  const deployed = await deployChannels(viem, networkHelpers);
  await deployed.deposit(deployed.configOf(), 100n);
  return deployed;
}

describe("MockBatchSettlement: settle", () => {
  it("sends the receiver what was claimed over all its channels, whoever asks", async () => {
    const { settlement, usdc, configOf, deposit, row, claim, balanceOf, stranger } =
      await networkHelpers.loadFixture(fixture);
    const second = configOf({ salt: `0x${"11".repeat(32)}` });
    await deposit(second, 50n);
    await claim([await row(configOf(), 30n), await row(second, 20n)]);

    const sent = settlement.write.settle([receiver.address, usdc.address]);
    await viem.assertions.emitWithArgs(sent, settlement, "Settled", [receiver.address, usdc.address, stranger, 50n]);
    expect(await balanceOf(receiver.address)).to.equal(50n);
    expect(await balanceOf(BATCH_SETTLEMENT_ADDRESS)).to.equal(100n);
    expect(await settlement.read.receivers([receiver.address, usdc.address])).to.deep.equal([50n, 50n]);
  });

  it("sends only what came since the last time", async () => {
    const { settlement, usdc, configOf, row, claim, balanceOf } = await networkHelpers.loadFixture(fixture);
    await claim([await row(configOf(), 30n)]);
    await settlement.write.settle([receiver.address, usdc.address]);
    await claim([await row(configOf(), 45n)]);
    await settlement.write.settle([receiver.address, usdc.address]);
    expect(await balanceOf(receiver.address)).to.equal(45n);
  });

  it("does nothing when there is nothing to send", async () => {
    const { settlement, usdc, configOf, row, claim } = await networkHelpers.loadFixture(fixture);
    await settlement.write.settle([receiver.address, usdc.address]);
    expect(await settlement.getEvents.Settled()).to.have.length(0);
    await claim([await row(configOf(), 30n)]);
    await settlement.write.settle([receiver.address, usdc.address]);
    await settlement.write.settle([receiver.address, usdc.address]);
    expect(await settlement.getEvents.Settled()).to.have.length(0);
  });

  it("keeps what was claimed when the token refuses the receiver", async () => {
    const { settlement, usdc, configOf, row, claim, blacklist } = await networkHelpers.loadFixture(fixture);
    await claim([await row(configOf(), 30n)]);
    await blacklist(receiver.address);
    await viem.assertions.revertWith(
      settlement.write.settle([receiver.address, usdc.address]),
      "Blacklistable: account is blacklisted",
    );
    expect(await settlement.read.receivers([receiver.address, usdc.address])).to.deep.equal([30n, 0n]);
  });
});
