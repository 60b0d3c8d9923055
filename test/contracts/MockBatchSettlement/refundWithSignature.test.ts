import { expect } from "chai";
import { network } from "hardhat";
import { deployChannels, payer, receiver, receiverAuthorizer } from "../../helpers/channels.ts";

const { viem, networkHelpers } = await network.create();

async function fixture() {
  const deployed = await deployChannels(viem, networkHelpers);
  await deployed.deposit(deployed.configOf(), 100n);
  return deployed;
}

describe("MockBatchSettlement: refundWithSignature", () => {
  it("lets anyone submit what the receiver authorizer signed, once", async () => {
    const { settlement, configOf, idOf, signRefund, balanceOf, stranger } = await networkHelpers.loadFixture(fixture);
    const signature = await signRefund(configOf(), 0n, 40n);
    const sent = settlement.write.refundWithSignature([configOf(), 40n, 0n, signature]);
    await viem.assertions.emitWithArgs(sent, settlement, "Refunded", [idOf(configOf()), stranger, 40n]);
    expect(await balanceOf(payer.address)).to.equal(940n);
    await viem.assertions.revertWithCustomError(
      settlement.write.refundWithSignature([configOf(), 40n, 0n, signature]),
      settlement,
      "InvalidRefundNonce",
    );
    await settlement.write.refundWithSignature([configOf(), 5n, 1n, await signRefund(configOf(), 1n, 5n)]);
    expect(await balanceOf(payer.address)).to.equal(945n);
  });

  it("accepts the signature of an authorizer with code", async () => {
    const { settlement, configOf, deposit, signRefund, stateOf } = await networkHelpers.loadFixture(fixture);
    const wallet = await viem.deployContract("OwnerWallet", [receiverAuthorizer.address]);
    const config = configOf({ receiverAuthorizer: wallet.address });
    await deposit(config, 10n);
    await settlement.write.refundWithSignature([config, 10n, 0n, await signRefund(config, 0n, 10n)]);
    expect(await stateOf(config)).to.deep.equal([0n, 0n]);
  });

  it("is void after a direct refund", async () => {
    const { settlement, configOf, signRefund } = await networkHelpers.loadFixture(fixture);
    const signature = await signRefund(configOf(), 0n, 40n);
    await settlement.write.refund([configOf(), 1n], { account: receiver.address });
    await viem.assertions.revertWithCustomError(
      settlement.write.refundWithSignature([configOf(), 40n, 0n, signature]),
      settlement,
      "InvalidRefundNonce",
    );
  });

  it("reverts when somebody else signed, or another channel, amount or nonce", async () => {
    const { settlement, configOf, signRefund } = await networkHelpers.loadFixture(fixture);
    const other = configOf({ salt: `0x${"11".repeat(32)}` });
    const signatures = [
      await signRefund(configOf(), 0n, 40n, receiver),
      await signRefund(configOf(), 0n, 41n),
      await signRefund(configOf(), 1n, 40n),
      await signRefund(other, 0n, 40n),
    ];
    for (const signature of signatures) {
      await viem.assertions.revertWithCustomError(
        settlement.write.refundWithSignature([configOf(), 40n, 0n, signature]),
        settlement,
        "InvalidSignature",
      );
    }
  });

  it("reverts when the amount is zero", async () => {
    const { settlement, configOf, signRefund } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.revertWithCustomError(
      settlement.write.refundWithSignature([configOf(), 0n, 0n, await signRefund(configOf(), 0n, 0n)]),
      settlement,
      "ZeroRefund",
    );
  });
});
