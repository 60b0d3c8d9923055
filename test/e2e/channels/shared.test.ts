import { expect } from "chai";
import { freshAddress } from "../../helpers/chainLab.ts";
import { type ChannelShop, facilitatorAt, openChannelBuyer, openChannelShop } from "../../helpers/channelShop.ts";
import { PATIENT } from "../../helpers/engineLab.ts";
import { type FacilitatorLab, openFacilitatorLab, payerOf } from "../../helpers/facilitator.ts";

describe("batch-settlement on the facilitator: shared transactions", () => {
  let lab: FacilitatorLab;
  const shops: ChannelShop[] = [];
  before(async () => {
    lab = await openFacilitatorLab();
  });
  after(async () => {
    for (const shop of shops) shop.stop();
    await lab.stop();
  });

  /** One server for each of these receivers, each with its own receiver authorizer. */
  const openShops = async (url: string, count: number, seed: number) => {
    const receivers = Array.from({ length: count }, (_, index) => freshAddress(seed + index));
    const open = await Promise.all(
      receivers.map((receiver, index) =>
        openChannelShop(facilitatorAt(url), receiver, { receiverAuthorizerSigner: payerOf(9_200 + index) }),
      ),
    );
    shops.push(...open);
    return { open, receivers };
  };

  it("opens 20 channels at once in transactions of 8 deposits", async () => {
    const facilitator = await lab.serve({ engine: { ...PATIENT, fullBatch: 20 } });
    const { open } = await openShops(facilitator.url, 2, 102);
    const buyers = Array.from({ length: 20 }, (_, index) => payerOf(9_100 + index));
    await lab.fundAll(buyers.map(({ address }) => address));
    const bought = await Promise.all(
      buyers.map((account, index) => openChannelBuyer(lab.client, account).buy(open[index % 2]!.url)),
    );
    expect(bought.map(({ status }) => status)).to.deep.equal(new Array(20).fill(200));
    // At most 8, so that a payer who turns hostile after the pre-flight burns the gas of no more.
    expect(await facilitator.transactions()).to.be.within(3, 4);
    for (const shop of open) expect(await shop.scheme.getStorage().list()).to.have.length(10);
    for (const { address } of buyers) expect(await lab.balanceOf(address)).to.equal(990_000n);
  });

  it("claims and sweeps for 8 receivers at once in at most 2 transactions each", async () => {
    const facilitator = await lab.serve({ engine: { ...PATIENT, fullBatch: 8 } });
    const { open, receivers } = await openShops(facilitator.url, 8, 110);
    const buyer = openChannelBuyer(lab.client, await lab.payer(9_300));
    await Promise.all(open.map((shop) => buyer.buy(shop.url)));
    const before = await facilitator.transactions();
    const claimed = await Promise.all(open.map((shop) => shop.manager.claim()));
    expect((await facilitator.transactions()) - before).to.be.at.most(2);
    expect(new Set(claimed.map(([one]) => one?.transaction)).size).to.be.at.most(2);
    const between = await facilitator.transactions();
    await Promise.all(open.map((shop) => shop.manager.settle()));
    expect((await facilitator.transactions()) - between).to.be.at.most(2);
    for (const receiver of receivers) expect(await lab.balanceOf(receiver)).to.equal(1_000n);
  });
});
