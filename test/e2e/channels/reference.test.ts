import { expect } from "chai";
import { privateKeyToAccount } from "viem/accounts";
import { batchSettlementAbi } from "../../../src/channels/abi.ts";
import { type ChannelConfig, channelIdOf } from "../../../src/channels/index.ts";
import { networks } from "../../../src/networks.ts";
import { type ChainLab, freshAddress, openChainLab } from "../../helpers/chainLab.ts";
import { openChannelBuyer, openChannelShop } from "../../helpers/channelShop.ts";
import { officialFacilitator } from "../../helpers/officialFacilitator.ts";

const { chainId } = networks.baseSepolia;

// Only the chain is this project's: what these packages accept here, they accept with the canonical contracts.
describe("official client, server and facilitator of batch-settlement on the local chain", () => {
  let lab: ChainLab;
  const open: { stop: () => void }[] = [];
  before(async () => {
    lab = await openChainLab();
  });
  after(async () => {
    for (const one of open) one.stop();
    await lab.chain.stop();
  });

  const facilitatorWith = (authorizer?: number) =>
    officialFacilitator(lab.chain.rpcUrl, accountOf(18), authorizer === undefined ? undefined : accountOf(authorizer));
  const accountOf = (index: number) => privateKeyToAccount(lab.keyOf(index).privateKey);
  const stateOf = async (config: ChannelConfig) => {
    const args = [channelIdOf(chainId, config)] as const;
    const { batchSettlement: address } = lab.chain;
    return lab.client.readContract({ address, abi: batchSettlementAbi, functionName: "channels", args });
  };

  it("deposits, pays by voucher below the ceiling, claims, sweeps and refunds", async () => {
    const receiver = freshAddress(1);
    const shop = await openChannelShop(facilitatorWith(), receiver, { receiverAuthorizerSigner: accountOf(17) });
    open.push(shop);
    const buyer = openChannelBuyer(lab.client, accountOf(1));

    const first = await buyer.buy(shop.url);
    expect(first.status).to.equal(200);
    // The server announces ten times the price as the least deposit, and the client follows.
    expect(first.receipt).to.deep.include({ success: true, amount: "10000" });
    for (const amount of [200n, 300n, 1_000n]) {
      const { status, receipt } = await buyer.buy(`${shop.url}?amount=${amount}`);
      expect(status).to.equal(200);
      expect(receipt?.transaction).to.equal("");
      expect(receipt?.extra?.chargedAmount).to.equal(amount.toString());
    }
    const [channel] = await shop.scheme.getStorage().list();
    expect(channel?.chargedCumulativeAmount).to.equal("2500");
    const config = channel!.channelConfig;
    expect(await stateOf(config)).to.deep.equal([10_000n, 0n]);

    const { claims, settle } = await shop.manager.claimAndSettle();
    expect(claims).to.have.length(1);
    expect(settle?.transaction).to.match(/^0x[0-9a-f]{64}$/);
    expect(await stateOf(config)).to.deep.equal([10_000n, 2_500n]);
    expect(await lab.balanceOf(receiver)).to.equal(2_500n);

    const before = await lab.balanceOf(buyer.account.address);
    const refund = await buyer.refund(shop.url);
    expect(refund).to.deep.include({ success: true, amount: "7500" });
    expect((await lab.balanceOf(buyer.account.address)) - before).to.equal(7_500n);
    expect(await stateOf(config)).to.deep.equal([2_500n, 2_500n]);
  });

  it("does so with the facilitator's key as receiver authorizer, claims of the last voucher included", async () => {
    const receiver = freshAddress(2);
    const shop = await openChannelShop(facilitatorWith(16), receiver);
    open.push(shop);
    const buyer = openChannelBuyer(lab.client, accountOf(2));
    await buyer.buy(shop.url);
    await buyer.buy(shop.url);
    const [channel] = await shop.scheme.getStorage().list();
    expect(channel?.channelConfig.receiverAuthorizer).to.equal(accountOf(16).address);
    const refund = await buyer.refund(shop.url, "1500");
    expect(refund).to.deep.include({ success: true, amount: "1500" });
    expect(await stateOf(channel!.channelConfig)).to.deep.equal([8_500n, 2_000n]);
    await shop.manager.settle();
    expect(await lab.balanceOf(receiver)).to.equal(2_000n);
  });

  it("tops a channel up when its balance runs out", async () => {
    const shop = await openChannelShop(facilitatorWith(), freshAddress(3), { receiverAuthorizerSigner: accountOf(17) });
    open.push(shop);
    const buyer = openChannelBuyer(lab.client, accountOf(3), { depositStrategy: () => "2000" });
    const transactions = [];
    for (let i = 0; i < 5; i++) transactions.push((await buyer.buy(shop.url)).receipt?.transaction !== "");
    expect(transactions).to.deep.equal([true, false, true, false, true]);
    const [channel] = await shop.scheme.getStorage().list();
    expect(await stateOf(channel!.channelConfig)).to.deep.equal([6_000n, 0n]);
  });
});
