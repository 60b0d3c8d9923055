import { x402Facilitator } from "@x402/core/facilitator";
import type { FacilitatorClient } from "@x402/core/server";
import { expect } from "chai";
import { createChannelScheme, openJournal } from "../../../../src/facilitator/index.ts";
import { networks } from "../../../../src/networks.ts";
import { startEngine } from "../../../../src/settlement/index.ts";
import { freshAddress } from "../../../helpers/chainLab.ts";
import { openChannelBuyer, openChannelShop } from "../../../helpers/channelShop.ts";
import { type FacilitatorLab, openFacilitatorLab, payerOf } from "../../../helpers/facilitator.ts";

describe("createChannelScheme", () => {
  let lab: FacilitatorLab;
  before(async () => {
    lab = await openFacilitatorLab({ blockTimeSeconds: 0 });
  });
  after(() => lab.stop());

  it("serves channels in an official facilitator, with its user's engine", async () => {
    const { caip2: network } = networks.baseSepolia;
    const [sender, receiver] = [await lab.payer(9_900), freshAddress(990)];
    await lab.chain.request("hardhat_setBalance", [sender.address, "0xde0b6b3a7640000"]);
    const journal = await openJournal(":memory:");
    const engine = await startEngine(lab.client, { journal, senders: [sender] });
    const scheme = createChannelScheme(lab.client, { engine, journal });
    expect(scheme.getSigners(network)).to.deep.equal([sender.address]);
    expect(scheme.getExtra(network)).to.equal(undefined);

    const x402 = new x402Facilitator().register(network, scheme);
    const facilitator: FacilitatorClient = {
      verify: (payload, requirements) => x402.verify(payload, requirements),
      settle: (payload, requirements) => x402.settle(payload, requirements),
      getSupported: async () => x402.getSupported() as Awaited<ReturnType<FacilitatorClient["getSupported"]>>,
    };
    const shop = await openChannelShop(facilitator, receiver, { receiverAuthorizerSigner: payerOf(9_901) });
    const buyer = openChannelBuyer(lab.client, await lab.payer(9_902));
    expect(await buyer.buy(shop.url)).to.include({ status: 200 });
    const [claim] = await shop.manager.claim();
    expect(claim?.transaction).to.match(/^0x[0-9a-f]{64}$/);
    await shop.manager.settle();
    expect(await lab.balanceOf(receiver)).to.equal(1_000n);
    expect(await lab.client.getTransactionCount({ address: sender.address })).to.equal(3);
    shop.stop();
    await engine.close();
    await journal.close();
  });
});
