import type { PaymentRequirements } from "@x402/core/types";
import {
  BatchSettlementEvmScheme,
  type Channel,
  type ChannelStorage,
  InMemoryChannelStorage,
} from "@x402/evm/batch-settlement/server";
import { expect } from "chai";
import { type Hex, zeroAddress } from "viem";
import type { ChannelConfig } from "../../../../src/channels/index.ts";
import { quickenVouchers } from "../../../../src/keeper/index.ts";
import { authorizer, type ChannelBody, channelOf, idOf, voucherBody } from "../../../helpers/channelPayloads.ts";
import { type KeeperLab, openKeeperLab } from "../../../helpers/keeperLab.ts";
import { highS } from "../../../helpers/signatureForms.ts";
import { fundedAccount } from "../../../helpers/usdc.ts";

const payer = fundedAccount(1);
const stranger = fundedAccount(2);
const receiver = fundedAccount(3).address;
const PRICE = 1_000n;
const CHARGED = 5_000n;

type Answer = Awaited<ReturnType<NonNullable<BatchSettlementEvmScheme["schemeHooks"]["onBeforeVerify"]>>>;
type Case = {
  readonly config?: Partial<ChannelConfig>;
  /** The journal's record of the channel; undefined if it has none. */
  readonly record?: Partial<Channel> | undefined;
  readonly ceiling?: bigint;
  readonly signer?: typeof payer;
  readonly requirements?: Partial<PaymentRequirements>;
  readonly payload?: (payload: Record<string, unknown>) => Record<string, unknown>;
};

describe("quickenVouchers", () => {
  it("accepts the next voucher of a channel without the official check, and returns the same as that", async () => {
    const { official, quickened, asked, contexts } = await both({});
    expect(asked).to.equal(0);
    expect(quickened).to.deep.equal(official);
    expect(quickened).to.deep.include({ skip: true });
    const [one, other] = contexts;
    expect(one).to.deep.include({ localVerify: true, channelId: idOf(channelOf(payer.address, receiver)) });
    expect({ ...one, pendingId: "" }).to.deep.equal({ ...other, pendingId: "" });
    expect(one?.pendingId).to.be.a("string").with.length.above(30);
  });

  it("takes an id and addresses in any case", async () => {
    const upper = (text: unknown) => `0x${String(text).slice(2).toUpperCase()}`;
    const cases: Case[] = [
      {
        payload: (payload) => ({
          ...payload,
          voucher: { ...voucherOf(payload), channelId: upper(voucherOf(payload).channelId) },
        }),
      },
      { requirements: { payTo: receiver.toLowerCase() } },
    ];
    for (const one of cases) {
      const { official, quickened, asked } = await both(one);
      expect(asked).to.equal(0);
      expect(quickened).to.deep.equal(official);
    }
  });

  const now = Date.now();
  const refused: Readonly<Record<string, Case>> = {
    "an unknown channel": { record: undefined },
    "a voucher that is not the next one": { ceiling: CHARGED + PRICE + 1n },
    "a voucher that was taken": { ceiling: CHARGED },
    "another price": { requirements: { amount: "999" } },
    "more than the channel holds": { record: { balance: (CHARGED + PRICE - 1n).toString() } },
    "what was claimed already": { record: { totalClaimed: (CHARGED + PRICE).toString() } },
    "a record that is too old": { record: { onchainSyncedAt: now - 600_000 } },
    "a record that the chain was never asked for": { record: { onchainSyncedAt: undefined as unknown as number } },
    "the signature of somebody else": { signer: stranger },
    "a voucher that the payer's wallet signs": { config: { payerAuthorizer: zeroAddress } },
    "another receiver": { requirements: { payTo: stranger.address } },
    "another token": { requirements: { asset: stranger.address } },
    "another receiver authorizer": { requirements: { extra: { receiverAuthorizer: stranger.address } } },
    "no receiver authorizer": { requirements: { extra: {} } },
    "another delay": { requirements: { extra: { receiverAuthorizer: authorizer.address, withdrawDelay: 901 } } },
    "a delay that is too short": {
      config: { withdrawDelay: 899 },
      requirements: { extra: { receiverAuthorizer: authorizer.address } },
    },
    "a delay as text": { payload: (payload) => withConfig(payload, { withdrawDelay: "900" as unknown as number }) },
    "terms that are not the channel's": {
      payload: (payload) => withConfig(payload, { payerAuthorizer: stranger.address }),
    },
    "terms without a salt": { payload: (payload) => withConfig(payload, { salt: undefined as unknown as Hex }) },
    "another chain": { requirements: { network: "eip155:8453" } },
    "what is not a network": { requirements: { network: "base:1" } },
    "an amount that is not a number": { payload: (payload) => withVoucher(payload, { maxClaimableAmount: "6e3" }) },
    "a signature that is too short": { payload: (payload) => withVoucher(payload, { signature: "0x1234" }) },
    "a signature that nobody can have made": {
      payload: (payload) => withVoucher(payload, { signature: `0x${"00".repeat(64)}1b` }),
    },
    "what is not a channel id": { payload: (payload) => withVoucher(payload, { channelId: "0x12" }) },
    "no terms": { payload: (payload) => ({ ...payload, channelConfig: null }) },
    "no voucher": { payload: (payload) => ({ ...payload, voucher: null }) },
    "a refund": { payload: (payload) => ({ ...payload, type: "refund" }) },
  };
  for (const [what, one] of Object.entries(refused)) {
    it(`leaves ${what} to the official check`, async () => {
      const { official, quickened, asked } = await both(one);
      expect(asked).to.equal(1);
      expect(quickened).to.deep.equal(official);
      if (quickened !== undefined && "skip" in quickened) expect(quickened.result.isValid).to.equal(false);
    });
  }

  it("leaves a signature in a form that the contract refuses to the official check", async () => {
    const { asked } = await both({
      payload: (payload) => withVoucher(payload, { signature: highS(voucherOf(payload).signature as Hex) }),
    });
    expect(asked).to.equal(1);
  });

  it("checks the terms of each channel that names the id of another", async () => {
    const { scheme, asked } = await quickenedScheme(new InMemoryChannelStorage());
    const config = channelOf(payer.address, receiver);
    const good = await voucherBody(payer, config, CHARGED + PRICE);
    await scheme.getStorage().updateChannel(idOf(config), () => recordOf(config));
    for (let i = 0; i < 2; i += 1) await beforeVerify(scheme, good);
    expect(asked()).to.equal(0);
    const forged = { ...config, payer: stranger.address, payerAuthorizer: stranger.address };
    const voucher = voucherOf((await voucherBody(stranger, forged, CHARGED + PRICE)).paymentPayload.payload);
    const bad = withPayload(good, (payload) => ({
      ...payload,
      channelConfig: forged,
      voucher: { ...voucher, channelId: idOf(config) },
    }));
    expect(await beforeVerify(scheme, bad)).to.deep.include({ abort: true });
    expect(asked()).to.equal(1);
  });

  describe("in a shop", () => {
    let lab: KeeperLab;

    before(async () => {
      lab = await openKeeperLab();
      await lab.remember();
    });
    after(async () => {
      await lab.closeAll();
      await lab.stop();
    });

    it("sells to the official client what its vouchers cover, and the keeper claims it", async () => {
      const journal = await lab.journal();
      const seller = lab.accountOf(4);
      const scheme: { asked?: () => number } = {};
      const shop = await lab.shop(journal, seller.address, seller, (one) => {
        scheme.asked = countOfficial(one);
        quickenVouchers(one);
      });
      const buyer = lab.buyer(5);
      for (let i = 0; i < 4; i += 1) expect((await buyer.buy(shop.url)).status).to.equal(200);
      // The deposit is for the official check.
      expect(scheme.asked?.()).to.equal(1);
      const [record] = await shop.storage.list();
      expect(record?.chargedCumulativeAmount).to.equal("4000");
      const keeper = await lab.keeper(journal, { authorizers: [seller] });
      await keeper.claim([record!.channelId as Hex]);
      const [row] = (await journal.channels([record!.channelId as Hex])).values();
      expect(row?.claimed).to.equal(4_000n);
    });
  });
});

/** What the official hook and the quickened one say about the same request, and how often the second used the first. */
async function both(one: Case) {
  const config = channelOf(payer.address, receiver, one.config ?? {});
  const body = await voucherBody(one.signer ?? payer, config, one.ceiling ?? CHARGED + PRICE);
  const changed = withPayload(
    { ...body, paymentRequirements: { ...body.paymentRequirements, ...one.requirements } },
    one.payload ?? ((payload) => payload),
  );
  const storage = new InMemoryChannelStorage();
  if (!("record" in one) || one.record !== undefined) {
    await storage.updateChannel(idOf(config), () => ({ ...recordOf(config), ...one.record }));
  }
  const official = schemeOn(storage);
  const { scheme, asked } = await quickenedScheme(storage);
  const [payment, other] = [structuredClone(changed), structuredClone(changed)];
  const answers: Answer[] = [await beforeVerify(scheme, payment), await beforeVerify(official, other)];
  return {
    quickened: answers[0],
    official: answers[1],
    asked: asked(),
    contexts: [
      scheme.readRequestContext(payment.paymentPayload),
      official.readRequestContext(other.paymentPayload),
    ] as const,
  };
}

function schemeOn(storage: ChannelStorage): BatchSettlementEvmScheme {
  return new BatchSettlementEvmScheme(receiver, { storage, receiverAuthorizerSigner: authorizer });
}

async function quickenedScheme(storage: ChannelStorage) {
  const scheme = schemeOn(storage);
  const asked = countOfficial(scheme);
  return { scheme: quickenVouchers(scheme), asked };
}

/** Counts the calls of a scheme's own check. */
function countOfficial(scheme: BatchSettlementEvmScheme): () => number {
  const { onBeforeVerify } = scheme.schemeHooks;
  let asked = 0;
  scheme.schemeHooks.onBeforeVerify = async (context) => {
    asked += 1;
    return onBeforeVerify?.(context);
  };
  return () => asked;
}

async function beforeVerify(scheme: BatchSettlementEvmScheme, body: ChannelBody): Promise<Answer> {
  return scheme.schemeHooks.onBeforeVerify?.({
    paymentPayload: body.paymentPayload,
    requirements: body.paymentRequirements,
    declaredExtensions: {},
    transportContext: undefined,
  });
}

function recordOf(config: ChannelConfig): Channel {
  return {
    channelId: idOf(config),
    channelConfig: config,
    chargedCumulativeAmount: CHARGED.toString(),
    signedMaxClaimable: CHARGED.toString(),
    signature: `0x${"5a".repeat(65)}`,
    balance: "1000000",
    totalClaimed: "0",
    withdrawRequestedAt: 0,
    refundNonce: 3,
    onchainSyncedAt: Date.now(),
    lastRequestTimestamp: Date.now(),
  };
}

type Payload = Record<string, unknown>;

function withPayload(body: ChannelBody, change: (payload: Payload) => Payload): ChannelBody {
  const { paymentPayload } = body;
  return { ...body, paymentPayload: { ...paymentPayload, payload: change(paymentPayload.payload) } };
}

const voucherOf = (payload: Payload) => payload.voucher as Record<string, unknown>;
const withVoucher = (payload: Payload, change: Payload): Payload => ({
  ...payload,
  voucher: { ...voucherOf(payload), ...change },
});
const withConfig = (payload: Payload, change: Partial<ChannelConfig>): Payload => ({
  ...payload,
  channelConfig: { ...(payload.channelConfig as ChannelConfig), ...change },
});
