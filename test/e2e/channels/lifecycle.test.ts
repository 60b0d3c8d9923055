import { expect } from "chai";
import type { Address, LocalAccount } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { readChannelState } from "../../../src/chain/facts/channels.ts";
import { channelIdOf } from "../../../src/channels/index.ts";
import { parseMerchantKeys } from "../../../src/facilitator/callers/merchants.ts";
import { networks } from "../../../src/networks.ts";
import { freshAddress } from "../../helpers/chainLab.ts";
import { type ChannelShop, facilitatorAt, openChannelBuyer, openChannelShop } from "../../helpers/channelShop.ts";
import { type FacilitatorLab, openFacilitatorLab } from "../../helpers/facilitator.ts";

const { chainId } = networks.baseSepolia;
const API_KEY = "key-of-a-merchant-that-nobody-guesses";

describe("official clients and servers of batch-settlement on the facilitator", () => {
  let lab: FacilitatorLab;
  const shops: ChannelShop[] = [];
  before(async () => {
    lab = await openFacilitatorLab();
  });
  after(async () => {
    for (const shop of shops) shop.stop();
    await lab.stop();
  });

  const accountOf = (index: number) => privateKeyToAccount(lab.chain.accounts[index]!.privateKey);
  const openShop = async (
    url: string,
    receiver: Address,
    options: { authorizer?: LocalAccount; apiKey?: string } = {},
  ) => {
    const { authorizer, apiKey } = options;
    const config = authorizer === undefined ? {} : { receiverAuthorizerSigner: authorizer };
    const shop = await openChannelShop(facilitatorAt(url, apiKey), receiver, config);
    shops.push(shop);
    return shop;
  };
  const channelsOf = (shop: ChannelShop) => shop.scheme.getStorage().list();
  const stateOf = async (shop: ChannelShop) => {
    const [channel] = await channelsOf(shop);
    return readChannelState(lab.client, channelIdOf(chainId, channel!.channelConfig));
  };

  it("carries a session from deposit to refund, with a server that signs for itself", async () => {
    const { url } = await lab.serve();
    const receiver = freshAddress(101);
    const shop = await openShop(url, receiver, { authorizer: accountOf(5) });
    const buyer = openChannelBuyer(lab.client, await lab.payer(9_001));

    const first = await buyer.buy(shop.url);
    expect(first.status).to.equal(200);
    expect(first.receipt).to.include({ success: true, amount: "10000", payer: buyer.account.address });
    for (const amount of [200n, 300n]) {
      const { status, receipt } = await buyer.buy(`${shop.url}?amount=${amount}`);
      expect([status, receipt?.extra?.chargedAmount]).to.deep.equal([200, amount.toString()]);
    }
    const { claims, settle } = await shop.manager.claimAndSettle();
    expect([claims.length, settle?.transaction.length]).to.deep.equal([1, 66]);
    expect(await lab.balanceOf(receiver)).to.equal(1_500n);
    expect(await stateOf(shop)).to.include({ balance: 10_000n, totalClaimed: 1_500n });

    await buyer.buy(`${shop.url}?amount=100`);
    const refund = await buyer.refund(shop.url, "5000");
    expect(refund).to.include({ success: true, amount: "5000" });
    expect(refund.extra?.channelState).to.include({ balance: "5000", totalClaimed: "1600", refundNonce: "1" });
    const rest = await buyer.refund(shop.url);
    expect(rest).to.include({ success: true, amount: "3400" });
    expect(await lab.balanceOf(buyer.account.address)).to.equal(1_000_000n - 1_600n);
    await shop.manager.settle();
    expect(await lab.balanceOf(receiver)).to.equal(1_600n);
    const again = await shop.manager.settle().catch((error: unknown) => error);
    expect(String(again)).to.contain("invalid_batch_settlement_evm_nothing_to_settle");
  });

  it("signs claims and refunds for merchants that leave it to the facilitator, only for their own receivers", async () => {
    const receiver = freshAddress(120);
    const [shop] = parseMerchantKeys(`shop=${API_KEY}`);
    const { url } = await lab.serve({
      channels: { authority: accountOf(6) },
      merchants: [{ ...shop!, receivers: [receiver] }],
    });
    const [known, stranger] = await Promise.all([
      openShop(url, receiver, { apiKey: API_KEY }),
      openShop(url, freshAddress(121), { apiKey: API_KEY }),
    ]);
    const buyer = openChannelBuyer(lab.client, await lab.payer(9_400));
    await buyer.buy(known.url);
    const [channel] = await channelsOf(known);
    expect(channel?.channelConfig.receiverAuthorizer).to.equal(accountOf(6).address);
    // Its claims would not be signed, so nothing is paid into its channel.
    expect(String(await buyer.buy(stranger.url).catch((error: unknown) => error))).to.match(/\S/);
    expect(await channelsOf(stranger)).to.have.length(0);

    await known.manager.claimAndSettle();
    expect(await lab.balanceOf(receiver)).to.equal(1_000n);
    expect(await buyer.refund(known.url)).to.include({ success: true, amount: "9000" });
  });

  it("offers no receiver authorizer by default, and leaves the scheme out if told to", async () => {
    const [plain, without] = await Promise.all([lab.serve(), lab.serve({ channels: false })]);
    const kinds = async (url: string) => {
      const { kinds: all } = await facilitatorAt(url).getSupported();
      return all.filter(({ scheme }) => scheme === "batch-settlement");
    };
    expect(await kinds(plain.url)).to.deep.equal([
      { x402Version: 2, scheme: "batch-settlement", network: "eip155:84532" },
    ]);
    expect(await kinds(without.url)).to.deep.equal([]);
  });
});
