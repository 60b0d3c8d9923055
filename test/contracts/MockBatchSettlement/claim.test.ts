import { expect } from "chai";
import { network } from "hardhat";
import { BATCH_SETTLEMENT_ADDRESS } from "../../../src/channels/index.ts";
import { deployChannels, payer, payerAuthorizer, receiver, receiverAuthorizer } from "../../helpers/channels.ts";
import { ZERO_ADDRESS } from "../../helpers/usdc.ts";

const { viem, networkHelpers } = await network.create();

async function fixture() {
  const deployed = await deployChannels(viem, networkHelpers);
  await deployed.deposit(deployed.configOf(), 100n);
  return deployed;
}

describe("MockBatchSettlement: claim", () => {
  for (const [who, account] of [
    ["receiver", receiver],
    ["receiver authorizer", receiverAuthorizer],
  ] as const) {
    it(`records what the ${who} claims and moves nothing`, async () => {
      const { settlement, configOf, idOf, row, stateOf, balanceOf, usdc } = await networkHelpers.loadFixture(fixture);
      const config = configOf();
      const claimed = settlement.write.claim([[await row(config, 30n, 40n)]], { account: account.address });
      await viem.assertions.emitWithArgs(claimed, settlement, "Claimed", [idOf(config), account.address, 30n, 30n]);
      expect(await stateOf(config)).to.deep.equal([100n, 30n]);
      expect(await settlement.read.receivers([receiver.address, usdc.address])).to.deep.equal([30n, 0n]);
      expect(await balanceOf(BATCH_SETTLEMENT_ADDRESS)).to.equal(100n);
      expect(await balanceOf(receiver.address)).to.equal(0n);
    });
  }

  it("claims the difference when a voucher is raised, up to the whole channel", async () => {
    const { settlement, configOf, idOf, row, stateOf } = await networkHelpers.loadFixture(fixture);
    const account = receiver.address;
    await settlement.write.claim([[await row(configOf(), 30n)]], { account });
    const rest = settlement.write.claim([[await row(configOf(), 100n)]], { account });
    await viem.assertions.emitWithArgs(rest, settlement, "Claimed", [idOf(configOf()), account, 70n, 100n]);
    expect(await stateOf(configOf())).to.deep.equal([100n, 100n]);
  });

  it("skips a row that claims no more than is recorded, without checking its signature", async () => {
    const { settlement, configOf, row, stateOf } = await networkHelpers.loadFixture(fixture);
    const account = receiver.address;
    const same = await row(configOf(), 30n);
    await settlement.write.claim([[same]], { account });
    await settlement.write.claim([[same, { ...(await row(configOf(), 20n)), signature: "0x" }]], { account });
    expect(await settlement.getEvents.Claimed()).to.have.length(0);
    expect(await stateOf(configOf())).to.deep.equal([100n, 30n]);
  });

  it("claims from several channels and receivers that the caller acts for", async () => {
    const { settlement, configOf, row, deposit, usdc, stranger } = await networkHelpers.loadFixture(fixture);
    const other = configOf({ receiver: stranger });
    await deposit(other, 50n);
    const rows = [await row(configOf(), 30n), await row(other, 50n)];
    await settlement.write.claim([rows], { account: receiverAuthorizer.address });
    expect(await settlement.read.receivers([receiver.address, usdc.address])).to.deep.equal([30n, 0n]);
    expect(await settlement.read.receivers([stranger, usdc.address])).to.deep.equal([50n, 0n]);
  });

  it("takes the payer's own signature if there is no payer authorizer, also from an account with code", async () => {
    const { settlement, configOf, row, deposit, mint, stateOf } = await networkHelpers.loadFixture(fixture);
    const wallet = await viem.deployContract("OwnerWallet", [payer.address]);
    await mint(wallet.address, 50n);
    for (const config of [
      configOf({ payerAuthorizer: ZERO_ADDRESS }),
      configOf({ payerAuthorizer: ZERO_ADDRESS, payer: wallet.address }),
    ]) {
      await deposit(config, 50n);
      await settlement.write.claim([[await row(config, 30n, 30n, payer)]], { account: receiver.address });
      expect(await stateOf(config)).to.deep.equal([50n, 30n]);
    }
  });

  it("reverts as a whole when one row is bad", async () => {
    const { settlement, configOf, row, deposit, stateOf } = await networkHelpers.loadFixture(fixture);
    const other = configOf({ salt: `0x${"11".repeat(32)}` });
    await deposit(other, 50n);
    await viem.assertions.revertWithCustomError(
      settlement.write.claim([[await row(configOf(), 30n), await row(other, 51n)]], { account: receiver.address }),
      settlement,
      "ClaimExceedsBalance",
    );
    expect(await stateOf(configOf())).to.deep.equal([100n, 0n]);
  });

  it("reverts when there is nothing to claim", async () => {
    const { settlement } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.revertWithCustomError(settlement.write.claim([[]]), settlement, "EmptyBatch");
  });

  it("reverts when the caller acts for no longer or never acted for a row's receiver", async () => {
    const { settlement, configOf, row } = await networkHelpers.loadFixture(fixture);
    for (const account of [payer.address, payerAuthorizer.address]) {
      await viem.assertions.revertWithCustomError(
        settlement.write.claim([[await row(configOf(), 30n)]], { account }),
        settlement,
        "NotAuthorizedToClaim",
      );
    }
  });

  it("reverts when more is claimed than the voucher allows, even if the channel holds it", async () => {
    const { settlement, configOf, row } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.revertWithCustomError(
      settlement.write.claim([[await row(configOf(), 31n, 30n)]], { account: receiver.address }),
      settlement,
      "ClaimExceedsCeiling",
    );
  });

  it("reverts when more is claimed than the channel holds; exactly that is claimed", async () => {
    const { settlement, configOf, row } = await networkHelpers.loadFixture(fixture);
    const account = receiver.address;
    await viem.assertions.revertWithCustomError(
      settlement.write.claim([[await row(configOf(), 101n, 200n)]], { account }),
      settlement,
      "ClaimExceedsBalance",
    );
    await settlement.write.claim([[await row(configOf(), 100n, 200n)]], { account });
  });

  it("reverts when somebody else signed the voucher, even the payer if it has an authorizer", async () => {
    const { settlement, configOf, row, deposit } = await networkHelpers.loadFixture(fixture);
    const own = configOf({ payerAuthorizer: ZERO_ADDRESS });
    await deposit(own, 10n);
    const rows = [
      await row(configOf(), 10n, 10n, payer),
      await row(own, 10n, 10n, payerAuthorizer),
      { ...(await row(configOf(), 10n)), voucher: { channel: configOf(), maxClaimableAmount: 11n } },
    ];
    for (const bad of rows) {
      await viem.assertions.revertWithCustomError(
        settlement.write.claim([[bad]], { account: receiver.address }),
        settlement,
        "InvalidSignature",
      );
    }
  });

  it("reverts when the voucher's signature is malformed", async () => {
    const { settlement, configOf, row } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.revertWithCustomErrorWithArgs(
      settlement.write.claim([[{ ...(await row(configOf(), 10n)), signature: "0x12" }]], { account: receiver.address }),
      settlement,
      "ECDSAInvalidSignatureLength",
      [1n],
    );
  });
});
