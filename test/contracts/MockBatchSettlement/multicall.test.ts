import { expect } from "chai";
import { network } from "hardhat";
import { encodeFunctionData } from "viem";
import { batchSettlementAbi as abi } from "../../../src/channels/abi.ts";
import { deployChannels, payer, receiver } from "../../helpers/channels.ts";

const { viem, networkHelpers } = await network.create();

async function fixture() {
  const deployed = await deployChannels(viem, networkHelpers);
  await deployed.deposit(deployed.configOf(), 100n);
  return deployed;
}

describe("MockBatchSettlement: multicall", () => {
  it("claims, then refunds the rest, in one transaction and for the caller", async () => {
    const { settlement, configOf, row, signClaims, signRefund, stateOf, balanceOf, stranger, idOf } =
      await networkHelpers.loadFixture(fixture);
    const rows = [await row(configOf(), 30n)];
    const signature = await signClaims(rows);
    const claim = encodeFunctionData({ abi, functionName: "claimWithSignature", args: [rows, signature] });
    const refund = encodeFunctionData({
      abi,
      functionName: "refundWithSignature",
      args: [configOf(), 100n, 0n, await signRefund(configOf(), 0n, 100n)],
    });
    const sent = settlement.write.multicall([[claim, refund]]);
    await viem.assertions.emitWithArgs(sent, settlement, "Claimed", [idOf(configOf()), stranger, 30n, 30n]);
    await viem.assertions.emitWithArgs(sent, settlement, "Refunded", [idOf(configOf()), stranger, 70n]);
    expect(await stateOf(configOf())).to.deep.equal([30n, 30n]);
    expect(await balanceOf(payer.address)).to.equal(970n);
  });

  it("does all or nothing, and passes on the reason", async () => {
    const { settlement, configOf, stateOf } = await networkHelpers.loadFixture(fixture);
    const refund = (amount: bigint) => encodeFunctionData({ abi, functionName: "refund", args: [configOf(), amount] });
    await viem.assertions.revertWithCustomError(
      settlement.write.multicall([[refund(10n), refund(0n)]], { account: receiver.address }),
      settlement,
      "ZeroRefund",
    );
    expect(await stateOf(configOf())).to.deep.equal([100n, 0n]);
    await settlement.write.multicall([[refund(10n), refund(20n)]], { account: receiver.address });
    expect(await stateOf(configOf())).to.deep.equal([70n, 0n]);
  });
});
