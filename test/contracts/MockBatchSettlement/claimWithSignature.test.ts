import { expect } from "chai";
import { network } from "hardhat";
import { deployChannels, payer, receiver, receiverAuthorizer } from "../../helpers/channels.ts";

const { viem, networkHelpers } = await network.create();

type ChannelError = "InvalidSignature" | "NotReceiverAuthorizer" | "ClaimExceedsCeiling" | "ClaimExceedsBalance";

async function fixture() {
  const deployed = await deployChannels(viem, networkHelpers);
  const first = deployed.configOf();
  const second = deployed.configOf({ salt: `0x${"11".repeat(32)}` });
  await deployed.deposit(first, 100n);
  await deployed.deposit(second, 50n);
  return { ...deployed, first, second };
}

describe("MockBatchSettlement: claimWithSignature", () => {
  it("lets anyone submit the rows that the receiver authorizer signed", async () => {
    const { settlement, first, second, idOf, row, signClaims, stateOf, usdc, stranger } =
      await networkHelpers.loadFixture(fixture);
    const rows = [await row(first, 30n, 40n), await row(second, 50n)];
    const sent = settlement.write.claimWithSignature([rows, await signClaims(rows)]);
    await viem.assertions.emitWithArgs(sent, settlement, "Claimed", [idOf(first), stranger, 30n, 30n]);
    await viem.assertions.emitWithArgs(sent, settlement, "Claimed", [idOf(second), stranger, 50n, 50n]);
    expect(await stateOf(first)).to.deep.equal([100n, 30n]);
    expect(await settlement.read.receivers([receiver.address, usdc.address])).to.deep.equal([80n, 0n]);
  });

  it("accepts the signature of an authorizer with code", async () => {
    const { settlement, configOf, deposit, row, signClaims, stateOf } = await networkHelpers.loadFixture(fixture);
    const wallet = await viem.deployContract("OwnerWallet", [receiverAuthorizer.address]);
    const config = configOf({ receiverAuthorizer: wallet.address });
    await deposit(config, 10n);
    const rows = [await row(config, 10n)];
    await settlement.write.claimWithSignature([rows, await signClaims(rows)]);
    expect(await stateOf(config)).to.deep.equal([10n, 10n]);
  });

  it("asks an authorizer with code with calldata that ends at the signature's last byte", async () => {
    const { settlement, configOf, deposit, row, signClaims, stateOf } = await networkHelpers.loadFixture(fixture);
    const wallet = "0x00000000000000000000000000000000000a5a5a";
    // Returns the magic value if calldatasize is 165 (selector, digest, offset, length, 65 bytes), otherwise reverts.
    await networkHelpers.setCode(wallet, "0x3660a514600a575f5ffd5b631626ba7e60e01b5f5260205ff3");
    const config = configOf({ receiverAuthorizer: wallet });
    await deposit(config, 10n);
    const rows = [await row(config, 10n)];
    await settlement.write.claimWithSignature([rows, await signClaims(rows)]);
    expect(await stateOf(config)).to.deep.equal([10n, 10n]);
  });

  it("can be repeated without effect", async () => {
    const { settlement, first, row, signClaims, stateOf } = await networkHelpers.loadFixture(fixture);
    const rows = [await row(first, 30n)];
    const signature = await signClaims(rows);
    await settlement.write.claimWithSignature([rows, signature]);
    await settlement.write.claimWithSignature([rows, signature]);
    expect(await settlement.getEvents.Claimed()).to.have.length(0);
    expect(await stateOf(first)).to.deep.equal([100n, 30n]);
  });

  it("reverts when a row, an amount or the order differs from what was signed", async () => {
    const { settlement, first, second, row, signClaims } = await networkHelpers.loadFixture(fixture);
    const [a, b] = [await row(first, 30n, 40n), await row(second, 50n)];
    const signature = await signClaims([a, b]);
    for (const rows of [[b, a], [a], [a, b, b], [{ ...a, totalClaimed: 31n }, b]]) {
      await viem.assertions.revertWithCustomError(
        settlement.write.claimWithSignature([rows, signature]),
        settlement,
        "InvalidSignature",
      );
    }
  });

  it("reverts when somebody else signed, the receiver included", async () => {
    const { settlement, first, row, signClaims } = await networkHelpers.loadFixture(fixture);
    const rows = [await row(first, 30n)];
    for (const signer of [receiver, payer]) {
      await viem.assertions.revertWithCustomError(
        settlement.write.claimWithSignature([rows, await signClaims(rows, signer)]),
        settlement,
        "InvalidSignature",
      );
    }
  });

  it("reverts when the rows name different receiver authorizers", async () => {
    const { settlement, first, configOf, deposit, row, signClaims, stranger } =
      await networkHelpers.loadFixture(fixture);
    const other = configOf({ receiverAuthorizer: stranger });
    await deposit(other, 10n);
    const rows = [await row(first, 30n), await row(other, 10n)];
    await viem.assertions.revertWithCustomError(
      settlement.write.claimWithSignature([rows, await signClaims(rows)]),
      settlement,
      "NotReceiverAuthorizer",
    );
  });

  it("checks the batch's signature first, then row by row its authorizer, ceiling, balance and voucher", async () => {
    const { settlement, first, second, configOf, deposit, row, signClaims, stranger } =
      await networkHelpers.loadFixture(fixture);
    const foreign = configOf({ receiverAuthorizer: stranger });
    await deposit(foreign, 10n);
    const [good, other] = [await row(first, 30n), await row(foreign, 10n)];
    const reverts = async (rows: (typeof good)[], error: ChannelError, signer = receiverAuthorizer) => {
      const sent = settlement.write.claimWithSignature([rows, await signClaims(rows, signer)]);
      await viem.assertions.revertWithCustomError(sent, settlement, error);
    };
    // A foreign row after the first one matters only if everything before it is valid.
    await reverts([good, other], "InvalidSignature", payer);
    await reverts([await row(second, 51n), other], "ClaimExceedsBalance");
    await reverts([{ ...good, totalClaimed: good.voucher.maxClaimableAmount + 1n }, other], "ClaimExceedsCeiling");
    await reverts([{ ...good, signature: other.signature }, other], "InvalidSignature");
    await reverts([good, { ...other, totalClaimed: 1_000n }], "NotReceiverAuthorizer");
  });

  it("reverts when there is nothing to claim, or one row is bad", async () => {
    const { settlement, first, second, row, claim, signClaims, stateOf } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.revertWithCustomError(
      settlement.write.claimWithSignature([[], await signClaims([])]),
      settlement,
      "EmptyBatch",
    );
    await viem.assertions.revertWithCustomError(
      claim([await row(first, 30n), await row(second, 51n)]),
      settlement,
      "ClaimExceedsBalance",
    );
    expect(await stateOf(first)).to.deep.equal([100n, 0n]);
  });
});
