import { expect } from "chai";
import { network } from "hardhat";
import { maxUint128 } from "viem";
import { BATCH_SETTLEMENT_ADDRESS, ERC3009_DEPOSIT_COLLECTOR_ADDRESS } from "../../../src/channels/index.ts";
import { deployChannels, MINUTES_15, payer, payerAuthorizer } from "../../helpers/channels.ts";
import { ZERO_ADDRESS } from "../../helpers/usdc.ts";

const { viem, networkHelpers } = await network.create();
const DAYS_30 = 30 * 24 * 3600;

async function fixture() {
  return deployChannels(viem, networkHelpers);
}

describe("MockBatchSettlement: deposit", () => {
  it("creates the channel, holds the tokens and emits both events", async () => {
    const { settlement, usdc, configOf, idOf, deposit, stateOf, balanceOf, stranger } =
      await networkHelpers.loadFixture(fixture);
    const config = configOf();
    const sent = deposit(config, 400n);
    await viem.assertions.emitWithArgs(sent, settlement, "ChannelCreated", [
      idOf(config),
      { ...config, withdrawDelay: MINUTES_15 },
    ]);
    await viem.assertions.emitWithArgs(sent, settlement, "Deposited", [idOf(config), stranger, 400n, 400n]);
    await viem.assertions.emit(sent, usdc, "AuthorizationUsed");
    expect(await stateOf(config)).to.deep.equal([400n, 0n]);
    expect(await balanceOf(BATCH_SETTLEMENT_ADDRESS)).to.equal(400n);
    expect(await balanceOf(ERC3009_DEPOSIT_COLLECTOR_ADDRESS)).to.equal(0n);
    expect(await balanceOf(payer.address)).to.equal(600n);
  });

  it("adds to a channel without creating it again", async () => {
    const { settlement, configOf, idOf, deposit, stateOf, stranger } = await networkHelpers.loadFixture(fixture);
    const config = configOf();
    await deposit(config, 400n);
    const topUp = deposit(config, 100n);
    await viem.assertions.emitWithArgs(topUp, settlement, "Deposited", [idOf(config), stranger, 100n, 500n]);
    expect(await stateOf(config)).to.deep.equal([500n, 0n]);
    const events = await settlement.getEvents.ChannelCreated({}, { fromBlock: 0n });
    expect(events).to.have.length(1);
  });

  it("tells channels apart by their salt alone", async () => {
    const { configOf, deposit, stateOf } = await networkHelpers.loadFixture(fixture);
    const other = configOf({ salt: `0x${"11".repeat(32)}` });
    await deposit(configOf(), 1n);
    await deposit(other, 2n);
    expect(await stateOf(configOf())).to.deep.equal([1n, 0n]);
    expect(await stateOf(other)).to.deep.equal([2n, 0n]);
  });

  it("leaves a pending withdrawal unchanged", async () => {
    const { settlement, configOf, deposit, withdrawalOf } = await networkHelpers.loadFixture(fixture);
    await deposit(configOf(), 10n);
    await settlement.write.initiateWithdraw([configOf(), 10n], { account: payer.address });
    await deposit(configOf(), 5n);
    expect((await withdrawalOf(configOf()))[0]).to.equal(10n);
  });

  for (const field of ["payer", "receiver", "receiverAuthorizer", "token"] as const) {
    it(`reverts when the ${field} is the zero address`, async () => {
      const { settlement, configOf } = await networkHelpers.loadFixture(fixture);
      const config = configOf({ [field]: ZERO_ADDRESS });
      await viem.assertions.revertWithCustomError(
        settlement.write.deposit([config, 1n, ERC3009_DEPOSIT_COLLECTOR_ADDRESS, "0x"]),
        settlement,
        "InvalidChannel",
      );
    });
  }

  it("allows a channel whose payer signs the vouchers, without a payer authorizer", async () => {
    const { configOf, deposit, stateOf } = await networkHelpers.loadFixture(fixture);
    const config = configOf({ payerAuthorizer: ZERO_ADDRESS });
    await deposit(config, 1n);
    expect(await stateOf(config)).to.deep.equal([1n, 0n]);
  });

  for (const [withdrawDelay, allowed] of [
    [MINUTES_15 - 1, false],
    [MINUTES_15, true],
    [DAYS_30, true],
    [DAYS_30 + 1, false],
  ] as const) {
    it(`${allowed ? "allows" : "reverts with"} a withdraw delay of ${withdrawDelay} s`, async () => {
      const { settlement, configOf, deposit, stateOf } = await networkHelpers.loadFixture(fixture);
      const config = configOf({ withdrawDelay });
      const sent = deposit(config, 1n);
      if (allowed) {
        await sent;
        expect(await stateOf(config)).to.deep.equal([1n, 0n]);
      } else {
        await viem.assertions.revertWithCustomError(sent, settlement, "WithdrawDelayOutOfRange");
      }
    });
  }

  it("reverts when the amount or the collector is zero", async () => {
    const { settlement, configOf } = await networkHelpers.loadFixture(fixture);
    const call = (amount: bigint, collector: `0x${string}`) =>
      settlement.write.deposit([configOf(), amount, collector, "0x"]);
    const { revertWithCustomError } = viem.assertions;
    await revertWithCustomError(call(0n, ERC3009_DEPOSIT_COLLECTOR_ADDRESS), settlement, "ZeroDeposit");
    await revertWithCustomError(call(1n, ZERO_ADDRESS), settlement, "InvalidCollector");
  });

  it("reverts when the channel would hold 2^128", async () => {
    const { settlement, configOf, deposit } = await networkHelpers.loadFixture(fixture);
    await deposit(configOf(), 1n);
    await viem.assertions.revertWithCustomError(
      settlement.write.deposit([configOf(), maxUint128, ERC3009_DEPOSIT_COLLECTOR_ADDRESS, "0x"]),
      settlement,
      "DepositOverflow",
    );
  });

  it("reverts when the collector brings less, more or nothing", async () => {
    const { settlement, configOf, usdc, mint } = await networkHelpers.loadFixture(fixture);
    const collector = await viem.deployContract("LooseCollector");
    await mint(collector.address, 10n);
    for (const amount of [0n, 1n, 3n]) {
      await collector.write.bring([usdc.address, amount]);
      await viem.assertions.revertWithCustomError(
        settlement.write.deposit([configOf(), 2n, collector.address, "0x"]),
        settlement,
        "DepositCollectionFailed",
      );
    }
    await collector.write.bring([usdc.address, 2n]);
    await settlement.write.deposit([configOf(), 2n, collector.address, "0x"]);
  });

  it("reverts when the collector calls back", async () => {
    const { settlement, configOf } = await networkHelpers.loadFixture(fixture);
    const collector = await viem.deployContract("LooseCollector");
    await collector.write.callBack();
    await viem.assertions.revertWithCustomError(
      settlement.write.deposit([configOf(), 2n, collector.address, "0x"]),
      settlement,
      "ReentrancyGuardReentrantCall",
    );
  });

  it("reverts when the payer did not sign for this channel or amount", async () => {
    const { settlement, configOf, depositData } = await networkHelpers.loadFixture(fixture);
    const deposit = (amount: bigint, data: `0x${string}`) =>
      settlement.write.deposit([configOf(), amount, ERC3009_DEPOSIT_COLLECTOR_ADDRESS, data]);
    const ofAnother = await depositData(configOf({ salt: `0x${"11".repeat(32)}` }), 5n);
    const bySomebodyElse = await depositData(configOf(), 5n, payerAuthorizer);
    for (const data of [ofAnother, bySomebodyElse]) {
      await viem.assertions.revertWith(deposit(5n, data), "FiatTokenV2: invalid signature");
    }
    await viem.assertions.revertWith(deposit(6n, await depositData(configOf(), 5n)), "FiatTokenV2: invalid signature");
  });

  it("settles an authorization once", async () => {
    const { settlement, configOf, depositArgs } = await networkHelpers.loadFixture(fixture);
    const args = await depositArgs(configOf(), 5n);
    await settlement.write.deposit([...args]);
    await viem.assertions.revertWith(
      settlement.write.deposit([...args]),
      "FiatTokenV2: authorization is used or canceled",
    );
  });
});
