import { expect } from "chai";
import type { Hex } from "viem";
import { batchSettlementAbi as abi } from "../../../src/channels/abi.ts";
import { BATCH_SETTLEMENT_ADDRESS } from "../../../src/channels/index.ts";
import { createChannelKeeper, type KeeperAlert } from "../../../src/keeper/index.ts";
import { freshAddress } from "../../helpers/chainLab.ts";
import { authorizer, channelOf, idOf } from "../../helpers/channelPayloads.ts";
import { until } from "../../helpers/engineLab.ts";
import { BLOCK_SECONDS } from "../../helpers/facilitator.ts";
import { type KeeperLab, openKeeperLab } from "../../helpers/keeperLab.ts";

/** What the official client deposits here, in atomic units, and what a purchase costs. */
const DEPOSIT = 10_000n;
const PRICE = 1_000n;

describe("a keeper with our facilitator, with one engine and one journal", () => {
  let lab: KeeperLab;
  before(async () => {
    lab = await openKeeperLab({ isOurs: true, blockTimeSeconds: BLOCK_SECONDS });
  });
  after(async () => {
    await lab.closeAll();
    await lab.stop();
  });

  it("claims in time if a payer silently starts a withdrawal, and the rest when it is told to", async () => {
    const { journal, engine } = lab.ours!;
    const receiver = freshAddress(7_200);
    const shop = await lab.shop(journal, receiver, authorizer);
    const [silent, other] = [1, 2].map((index) => {
      const buyer = lab.buyer(index);
      const config = channelOf(buyer.account.address, receiver);
      return { index, buyer, config, id: idOf(config) };
    }) as [Party, Party];
    const buy = async ({ buyer }: Party) => (await buyer.buy(shop.url)).status;
    const funds = await lab.balanceOf(silent.buyer.account.address);
    expect(await Promise.all([silent, other].map(buy))).to.deep.equal([200, 200]);
    for (const party of [silent, silent, other]) expect(await buy(party)).to.equal(200);

    const alerts: KeeperAlert[] = [];
    // For their value alone, these would never be claimed.
    const policy = { roundMs: 250, maxCostPermille: 1n, etherMicroUsd: 3_000_000_000n };
    const keeper = createChannelKeeper(lab.client, {
      ...{ journal, engine, authorizers: [authorizer], policy },
      onAlert: (alert) => alerts.push(alert),
    });
    try {
      await keeper.round();
      expect(await claimedOf(silent)).to.equal(0n);

      // All of it, as if nothing had been bought.
      await lab.withdraw(silent.index, silent.config, DEPOSIT);
      await until(async () => (await claimedOf(silent)) === 3n * PRICE);
      const [initiated, claimed] = await Promise.all([timeOf("WithdrawInitiated"), timeOf("Claimed")]);
      expect(claimed - initiated, "seconds until it was claimed").to.be.at.most(30);
      // Channels that are worth their row are claimed too.
      expect(await claimedOf(other)).to.equal(2n * PRICE);
      expect(await buy(silent)).to.equal(402);
      expect(await buy(other)).to.equal(200);

      await lab.sleepOnChain(900);
      await lab.finalize(silent.index, silent.config);
      expect(await lab.onChain(silent.id)).to.deep.equal([3n * PRICE, 3n * PRICE]);
      expect(await lab.balanceOf(silent.buyer.account.address)).to.equal(funds - 3n * PRICE);

      const report = await keeper.claim();
      expect(report.claimed.map(({ channelId, totalClaimed }) => [channelId, totalClaimed])).to.deep.equal([
        [other.id, 3n * PRICE],
      ]);
      const { swept } = await keeper.sweep();
      expect(swept.map(({ amount }) => amount)).to.deep.equal([6n * PRICE]);
      expect(await lab.balanceOf(receiver)).to.equal(6n * PRICE);
      expect(await lab.onChain(other.id)).to.deep.equal([DEPOSIT, 3n * PRICE]);
      expect(await lab.balanceOf(BATCH_SETTLEMENT_ADDRESS)).to.equal(DEPOSIT - 3n * PRICE);
      expect(alerts).to.deep.equal([]);
    } finally {
      await keeper.close();
    }
  });

  type Party = {
    readonly index: number;
    readonly buyer: ReturnType<KeeperLab["buyer"]>;
    readonly config: ReturnType<typeof channelOf>;
    readonly id: Hex;
  };
  const claimedOf = async ({ id }: Party) => (await lab.onChain(id))[1];

  /** The time of the block of the first such event. */
  async function timeOf(eventName: "WithdrawInitiated" | "Claimed"): Promise<number> {
    const filter = { address: BATCH_SETTLEMENT_ADDRESS, abi, eventName, fromBlock: 0n } as const;
    const [log] = await lab.client.getContractEvents(filter);
    return Number((await lab.client.getBlock({ blockNumber: log!.blockNumber })).timestamp);
  }
});
