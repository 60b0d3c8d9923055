import { expect } from "chai";
import { network } from "hardhat";
import { zeroAddress } from "viem";
import { deployUsdc, fundedAccount } from "../../helpers/usdc.ts";

const { viem, networkHelpers } = await network.create();
const owner = fundedAccount(1).address;
const pauser = fundedAccount(3).address;
const blacklister = fundedAccount(4).address;
const account = fundedAccount(10).address;
const stranger = fundedAccount(11).address;

async function fixture() {
  return deployUsdc(viem);
}

describe("MockUSDC: pause and unpause", () => {
  it("stop and resume transfers, and emit an event at every call", async () => {
    const { usdc } = await networkHelpers.loadFixture(fixture);
    for (let round = 0; round < 2; round += 1) {
      await viem.assertions.emitWithArgs(usdc.write.pause({ account: pauser }), usdc, "Pause", []);
      expect(await usdc.read.paused()).to.equal(true);
    }
    await viem.assertions.revertWith(usdc.write.transfer([account, 0n]), "Pausable: paused");
    for (let round = 0; round < 2; round += 1) {
      await viem.assertions.emitWithArgs(usdc.write.unpause({ account: pauser }), usdc, "Unpause", []);
      expect(await usdc.read.paused()).to.equal(false);
    }
    await usdc.write.transfer([account, 0n]);
  });

  it("revert when somebody else calls, the owner included", async () => {
    const { usdc } = await networkHelpers.loadFixture(fixture);
    for (const caller of [owner, stranger]) {
      const reason = "Pausable: caller is not the pauser";
      await viem.assertions.revertWith(usdc.write.pause({ account: caller }), reason);
      await viem.assertions.revertWith(usdc.write.unpause({ account: caller }), reason);
    }
  });
});

describe("MockUSDC: blacklist and unBlacklist", () => {
  it("block and free an account and emit events; its balance stays", async () => {
    const { usdc, mint } = await networkHelpers.loadFixture(fixture);
    await mint(account, 5n);
    const by = { account: blacklister };
    for (let round = 0; round < 2; round += 1) {
      await viem.assertions.emitWithArgs(usdc.write.blacklist([account], by), usdc, "Blacklisted", [account]);
      expect(await usdc.read.isBlacklisted([account])).to.equal(true);
      expect(await usdc.read.balanceOf([account])).to.equal(5n);
    }
    for (let round = 0; round < 2; round += 1) {
      await viem.assertions.emitWithArgs(usdc.write.unBlacklist([account], by), usdc, "UnBlacklisted", [account]);
      expect(await usdc.read.isBlacklisted([account])).to.equal(false);
      expect(await usdc.read.balanceOf([account])).to.equal(5n);
    }
  });

  it("work while paused", async () => {
    const { usdc, pause, blacklist } = await networkHelpers.loadFixture(fixture);
    await pause();
    await blacklist(account);
    expect(await usdc.read.isBlacklisted([account])).to.equal(true);
  });

  it("revert when somebody else calls, the owner included", async () => {
    const { usdc } = await networkHelpers.loadFixture(fixture);
    for (const caller of [owner, stranger]) {
      const reason = "Blacklistable: caller is not the blacklister";
      await viem.assertions.revertWith(usdc.write.blacklist([account], { account: caller }), reason);
      await viem.assertions.revertWith(usdc.write.unBlacklist([account], { account: caller }), reason);
    }
  });
});

const appointments = [
  ["updateMasterMinter", "masterMinter", "MasterMinterChanged", "FiatToken: new masterMinter is the zero address"],
  ["updatePauser", "pauser", "PauserChanged", "Pausable: new pauser is the zero address"],
  ["updateBlacklister", "blacklister", "BlacklisterChanged", "Blacklistable: new blacklister is the zero address"],
] as const;

for (const [name, role, event, zeroReason] of appointments) {
  describe(`MockUSDC: ${name}`, () => {
    it("appoints and emits its event", async () => {
      const { usdc } = await networkHelpers.loadFixture(fixture);
      const hash = usdc.write[name]([account], { account: owner });
      await viem.assertions.emitWithArgs(hash, usdc, event, [account]);
      expect(await usdc.read[role]()).to.equal(account);
    });

    it("reverts for the zero address, and when somebody else calls", async () => {
      const { usdc } = await networkHelpers.loadFixture(fixture);
      await viem.assertions.revertWith(usdc.write[name]([zeroAddress], { account: owner }), zeroReason);
      await viem.assertions.revertWith(
        usdc.write[name]([zeroAddress], { account: stranger }),
        "Ownable: caller is not the owner",
      );
    });
  });
}

describe("MockUSDC: transferOwnership", () => {
  it("appoints the new owner and emits its event", async () => {
    const { usdc } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.emitWithArgs(
      usdc.write.transferOwnership([account], { account: owner }),
      usdc,
      "OwnershipTransferred",
      [owner, account],
    );
    expect(await usdc.read.owner()).to.equal(account);
    await usdc.write.updatePauser([stranger], { account });
    expect(await usdc.read.pauser()).to.equal(stranger);
  });

  it("reverts for the zero address, and when somebody else calls", async () => {
    const { usdc } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.revertWith(
      usdc.write.transferOwnership([zeroAddress], { account: owner }),
      "Ownable: new owner is the zero address",
    );
    await viem.assertions.revertWith(
      usdc.write.transferOwnership([zeroAddress], { account: stranger }),
      "Ownable: caller is not the owner",
    );
  });
});
