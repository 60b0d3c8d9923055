import { expect } from "chai";
import { type Address, getAddress, type Hex } from "viem";
import { voucherTypedData } from "../../../src/channels/index.ts";
import type { Journal } from "../../../src/journal/index.ts";
import { readWaiting } from "../../../src/keeper/due/waiting.ts";
import { ChannelError } from "../../../src/keeper/index.ts";
import { freshAddress } from "../../helpers/chainLab.ts";
import { openChannelBuyer } from "../../helpers/channelShop.ts";
import { PATIENT, until } from "../../helpers/engineLab.ts";
import { type KeeperLab, openKeeperLab } from "../../helpers/keeperLab.ts";
import { compact, highS, rawV } from "../../helpers/signatureForms.ts";

const MINUTES_8 = 480;

describe("createChannelKeeper, with the official client, server and facilitator", () => {
  let lab: KeeperLab;
  let receivers = 100;
  before(async () => {
    lab = await openKeeperLab();
  });
  beforeEach(() => lab.remember());
  afterEach(() => lab.closeAll());
  after(() => lab.stop());

  const freshReceiver = () => {
    receivers += 1;
    return freshAddress(receivers);
  };
  const authorizer = () => lab.accountOf(17);
  const purse = () => lab.accountOf(19).address;

  /** Buyers, each of whom bought twice for 1000 units, and their channels in order. */
  async function openChannels(journal: Journal, buyers: readonly number[], receiver = freshReceiver()) {
    const shop = await lab.shop(journal, receiver, authorizer());
    const channels = [];
    for (const index of buyers) {
      const buyer = lab.buyer(index);
      for (let i = 0; i < 2; i += 1) expect((await buyer.buy(shop.url)).status).to.equal(200);
      const all = await shop.storage.list();
      const channel = all.find(
        ({ channelConfig }) => channelConfig.payer === buyer.account.address && channelConfig.receiver === receiver,
      );
      channels.push({ index, buyer, id: channel!.channelId as Hex, config: channel!.channelConfig });
    }
    return { shop, receiver, channels };
  }
  const claimedOf = async (id: Hex) => (await lab.onChain(id))[1];
  const decided = async (journal: Journal) =>
    until(async () => (await journal.keeperCalls(lab.client.chain.id)).every(({ state }) => state === "mined"));

  it("claims and sweeps for several receivers in one transaction, and remembers what it did", async () => {
    const journal = await lab.journal();
    const shops = [await openChannels(journal, [1, 2]), await openChannels(journal, [3])];
    const keeper = await lab.keeper(journal, { authorizers: [authorizer()] });
    const before = await lab.client.getTransactionCount({ address: purse() });
    await keeper.round();
    await decided(journal);
    for (const { receiver, channels } of shops) {
      expect(await lab.balanceOf(receiver)).to.equal(2_000n * BigInt(channels.length));
      for (const { id } of channels) expect(await claimedOf(id)).to.equal(2_000n);
    }
    const sent = (await lab.client.getTransactionCount({ address: purse() })) - before;
    expect(sent).to.be.at.most(2);
    const status = await keeper.status();
    expect(status).to.deep.include({ authorizers: [], withdrawals: 0, openCalls: 0 });
    expect(status.receivers.map(({ unswept }) => unswept)).to.deep.equal([0n, 0n]);
    await keeper.round();
    expect(await lab.client.getTransactionCount({ address: purse() })).to.equal(before + sent);
    expect(keeper.alerts).to.deep.equal([]);
    for (const { receiver, channels } of shops) {
      const told = keeper.activities.filter(({ payee }) => payee === getAddress(receiver));
      const amount = 2_000n * BigInt(channels.length);
      expect(told.map((one) => [one.kind, one.amount, one.feeWei > 0n])).to.have.deep.members([
        ["claimed", amount, true],
        ["swept", amount, true],
      ]);
      const claim = told.find(({ kind }) => kind === "claimed");
      expect(claim?.channels).to.have.deep.members(
        channels.map(({ id, buyer }) => ({ channelId: id, payer: buyer.account.address, amount: 2_000n })),
      );
      const { logs } = await lab.client.getTransactionReceipt({ hash: claim!.transaction });
      expect(logs.flatMap(({ topics }) => topics)).to.include.members(channels.map(({ id }) => id));
    }
    expect(keeper.waits).to.deep.equal([]);
    // The shop continues where it was.
    expect((await shops[0]!.channels[0]!.buyer.buy(shops[0]!.shop.url)).status).to.equal(200);
  });

  it("waits while a claim costs more than the policy allows", async () => {
    const journal = await lab.journal();
    const { channels } = await openChannels(journal, [1]);
    const keeper = await lab.keeper(journal, {
      authorizers: [authorizer()],
      policy: { maxCostPermille: 10n, etherMicroUsd: 3_000_000_000_000_000n },
    });
    await keeper.round();
    expect(await journal.keeperCalls(lab.client.chain.id)).to.deep.equal([]);
    expect((await keeper.status()).authorizers).to.deep.equal([
      { authorizer: authorizer().address, signs: "key", channels: 1, unclaimed: 2_000n },
    ]);
    expect(await claimedOf(channels[0]!.id)).to.equal(0n);
    const { waiting } = await keeper.status();
    expect(waiting).to.have.length(1);
    expect(waiting[0]).to.include({ kind: "claim", why: "small", amount: 2_000n, channels: 1 });
    expect(waiting[0]?.message).to.match(/^0\.002 in 1 channel of 0x\w+ is not claimed: no channel of it holds more/);
    // Reported once, and stored in the journal for other readers.
    await keeper.round();
    expect(keeper.waits).to.deep.equal(waiting);
    expect((await readWaiting(journal, lab.client.chain.id))?.waiting).to.deep.equal(waiting);
  });

  it("says what a claim would have to bring, and why what is claimed is not swept", async () => {
    const journal = await lab.journal();
    const { receiver } = await openChannels(journal, [1]);
    const policy = { maxCostPermille: 1n, etherMicroUsd: 100_000_000n, maxAgeMs: 60_000 };
    const keeper = await lab.keeper(journal, { authorizers: [authorizer()], policy });
    await keeper.round();
    const [claim] = (await keeper.status()).waiting;
    expect(claim).to.include({ kind: "claim", why: "cost", payee: getAddress(receiver), amount: 2_000n });
    expect(claim?.message).to.match(
      /a claim costs 0\.\d+ and brings 0\.002\. It is made at 0?\d*\.?\d+, or once it pays from/,
    );
    await keeper.claim();
    await keeper.round();
    const [sweep] = (await keeper.status()).waiting;
    expect(sweep).to.include({ kind: "sweep", why: "cost", payee: getAddress(receiver), amount: 2_000n, channels: 0 });
    expect(keeper.waits.map(({ kind }) => kind)).to.deep.equal(["claim", "sweep"]);
    await keeper.sweep();
    await keeper.round();
    expect((await keeper.status()).waiting).to.deep.equal([]);
    expect(await lab.balanceOf(receiver)).to.equal(2_000n);
  });

  it("waits for a claim that is under way instead of making it again", async () => {
    const journal = await lab.journal();
    const { receiver, channels } = await openChannels(journal, [1]);
    // This process stored its call and was killed before it sent it.
    const never = new Promise<never>(() => undefined);
    const dead = { acceptCall: () => never, outcome: () => never, accounts: () => [{ address: purse() }] };
    const first = await lab.keeper(journal, {
      authorizers: [authorizer()],
      engine: dead as never,
      isDoomed: true,
      sender: 16,
    });
    void first.claim();
    await until(async () => (await journal.keeperCalls(lab.client.chain.id)).length === 1);
    const [call] = await journal.keeperCalls(lab.client.chain.id);
    const second = await lab.keeper(journal, { authorizers: [authorizer()] });
    const report = await second.claim();
    expect(report.claimed.map(({ channelId }) => channelId)).to.deep.equal(channels.map(({ id }) => id));
    expect((await journal.keeperCalls(lab.client.chain.id)).map(({ key }) => key)).to.deep.equal([call!.key]);
    expect(await claimedOf(channels[0]!.id)).to.equal(2_000n);
    await second.sweep();
    expect(await lab.balanceOf(receiver)).to.equal(2_000n);
  });

  it("claims from another purse what is stuck in an empty one, and the money arrives once", async () => {
    const journal = await lab.journal();
    const { receiver, channels } = await openChannels(journal, [1]);
    const empty = lab.accountOf(16).address;
    const fill = (wei: bigint) => lab.chain.request("hardhat_setBalance", [empty, `0x${wei.toString(16)}`]);
    await fill(0n);
    const first = await lab.keeper(journal, { authorizers: [authorizer()], sender: 16 });
    const stuck = first.claim();
    // It is signed, and no node takes it.
    const states = async () => (await journal.count()) as Record<string, number | undefined>;
    await until(async () => ((await states()).batched ?? 0) + ((await states()).submitted ?? 0) === 1);

    const second = await lab.keeper(journal, { authorizers: [authorizer()] });
    const report = await second.claim();
    expect(report.failed).to.deep.equal([]);
    expect(report.claimed).to.have.length(1);
    expect(await claimedOf(channels[0]!.id)).to.equal(2_000n);
    await second.sweep();
    // The first one's transaction is sent after all, and claims nothing.
    await fill(10n ** 18n);
    await stuck;
    await until(async () => ((await states()).submitted ?? 0) === 0);
    expect(await claimedOf(channels[0]!.id)).to.equal(2_000n);
    expect(await lab.balanceOf(receiver)).to.equal(2_000n);
    expect([...first.alerts, ...second.alerts].filter(({ kind }) => kind === "call-failed")).to.deep.equal([]);
  });

  it("claims in time although the payer began to withdraw while it was down, and no longer serves them", async () => {
    const journal = await lab.journal();
    const first = await lab.keeper(journal, { authorizers: [authorizer()] });
    const { shop, receiver, channels } = await openChannels(journal, [1]);
    const [{ id, config, index, buyer }] = channels as [(typeof channels)[number]];
    await first.claim();
    await first.sweep();
    await first.close();
    for (let i = 0; i < 3; i += 1) await buyer.buy(shop.url);

    await lab.withdraw(index, config, 8_000n);
    await lab.sleepOnChain(MINUTES_8 - 60);
    // Claiming 3000 units is a loss here, but worth it during a withdrawal.
    const keeper = await lab.keeper(journal, {
      authorizers: [authorizer()],
      policy: { maxCostPermille: 1n, etherMicroUsd: 3_000_000_000n },
    });
    await keeper.round();
    await until(async () => (await claimedOf(id)) === 5_000n);
    await decided(journal);
    expect((await journal.channels([id])).get(id)?.withdrawal?.amount).to.equal(8_000n);
    expect((await buyer.buy(shop.url)).status).to.equal(402);
    expect(keeper.alerts).to.deep.equal([]);

    await lab.sleepOnChain(900);
    await lab.finalize(index, config);
    expect(await lab.onChain(id)).to.deep.equal([5_000n, 5_000n]);
    await keeper.round();
    expect((await journal.channels([id])).get(id)?.withdrawal).to.equal(undefined);
    await keeper.sweep();
    expect(await lab.balanceOf(receiver)).to.equal(5_000n);
  });

  it("notices a withdrawal by its log, in the next round", async () => {
    const journal = await lab.journal();
    const { channels } = await openChannels(journal, [1]);
    const [{ id, config, index }] = channels as [(typeof channels)[number]];
    const policy = { maxCostPermille: 1n, etherMicroUsd: 3_000_000_000n };
    const keeper = await lab.keeper(journal, { authorizers: [authorizer()], policy });
    await keeper.round();
    await lab.withdraw(index, config, 1n);
    await lab.sleepOnChain(1);
    // The next audit is a minute away.
    await keeper.round();
    await until(async () => (await claimedOf(id)) === 2_000n);
    await decided(journal);
    expect(await journal.cursor(`channels:${lab.client.chain.id}`)).to.equal(
      `${(await lab.client.getBlockNumber()) - 1n}`,
    );
  });

  it("finds a withdrawal whose block its cursor has passed", async () => {
    const journal = await lab.journal();
    const { channels } = await openChannels(journal, [1]);
    const [{ id, config, index }] = channels as [(typeof channels)[number]];
    await lab.withdraw(index, config, 1n);
    await journal.setCursor(`channels:${lab.client.chain.id}`, `${(await lab.client.getBlockNumber()) + 100n}`);
    const keeper = await lab.keeper(journal, { authorizers: [authorizer()] });
    await keeper.round();
    await until(async () => (await claimedOf(id)) === 2_000n);
  });

  it("sweeps what an earlier keeper claimed but could not sweep before it was killed", async () => {
    const journal = await lab.journal();
    const { receiver } = await openChannels(journal, [1]);
    const first = await lab.keeper(journal, { authorizers: [authorizer()] });
    await first.claim();
    await first.close();
    expect(await lab.balanceOf(receiver)).to.equal(0n);
    const keeper = await lab.keeper(journal);
    await keeper.round();
    await until(async () => (await lab.balanceOf(receiver)) === 2_000n);
  });

  it("counts it as done if somebody else claimed the same in the meantime", async () => {
    const journal = await lab.journal();
    const { shop, channels } = await openChannels(journal, [1]);
    const [{ id, buyer }] = channels as [(typeof channels)[number]];
    const keeper = await lab.keeper(journal, { authorizers: [authorizer()], pace: PATIENT });
    const pendingOf = (address: Address) => lab.client.getTransactionCount({ address, blockTag: "pending" });
    const facilitator = lab.accountOf(18).address;
    const [others, own] = await Promise.all([pendingOf(facilitator), pendingOf(purse())]);

    await lab.chain.request("evm_setAutomine", [false]);
    const claim = shop.manager.claim();
    await until(async () => (await pendingOf(facilitator)) > others);
    // Its claim shares a transaction with a sweep, so that its log alone says that it did something.
    await keeper.round();
    await until(async () => (await journal.count()).queued === 2, "a claim and a sweep in the queue");
    keeper.engine.flush();
    await until(async () => (await pendingOf(purse())) > own);
    await lab.chain.request("evm_setAutomine", [true]);
    await lab.chain.request("evm_mine", []);
    expect(await claim).to.have.length(1);
    await decided(journal);
    const row = (await journal.channels([id])).get(id);
    expect([keeper.alerts, row?.claimed, row?.fault]).to.deep.equal([[], 2_000n, undefined]);
    expect((await journal.keeperCalls(lab.client.chain.id)).map(({ claims }) => claims.length)).to.deep.equal([0]);

    await buyer.buy(shop.url);
    await keeper.round();
    await until(async () => (await claimedOf(id)) === 3_000n);
  });

  it("tells two who claim the same at once that it is claimed, and in which transaction", async () => {
    const journal = await lab.journal();
    const { receiver, channels } = await openChannels(journal, [1, 2]);
    const first = await lab.keeper(journal, { authorizers: [authorizer()], sender: 16, pace: PATIENT });
    // It looks just before the first has stored its call.
    let isBlind = true;
    const early = new Proxy(journal, {
      get: (target, name, itself) => {
        if (name === "keeperCalls" && isBlind) return async () => [];
        return Reflect.get(target, name, itself);
      },
    });
    const second = await lab.keeper(early, { authorizers: [authorizer()], pace: PATIENT });
    const claims = Promise.all([first.claim(), second.claim()]);
    // They share a queue, and here one engine sends both in one transaction. Its logs say that one of them did nothing.
    await until(async () => (await journal.count()).queued === 2, "both in the queue");
    isBlind = false;
    first.engine.flush();
    const [one, other] = await claims;
    const inOrder = ({ claimed }: typeof one) => [...claimed].sort((a, b) => (a.channelId < b.channelId ? -1 : 1));
    expect([one.failed, other.failed]).to.deep.equal([[], []]);
    expect(inOrder(one)).to.have.length(2);
    expect(inOrder(other)).to.deep.equal(inOrder(one));
    for (const { id } of channels) expect(await claimedOf(id)).to.equal(2_000n);
    first.engine.flush();
    second.engine.flush();
    await second.sweep();
    expect(await lab.balanceOf(receiver)).to.equal(4_000n);
    expect([...first.alerts, ...second.alerts]).to.deep.equal([]);
  });

  it("claims vouchers that are signed in a form which servers take and the contract does not", async () => {
    const journal = await lab.journal();
    const receiver = freshReceiver();
    const shop = await lab.shop(journal, receiver, authorizer());
    for (const [index, form] of [highS, rawV, compact].entries()) {
      const account = lab.accountOf(1 + index);
      const signTypedData: typeof account.signTypedData = async (terms) => {
        const signature = await account.signTypedData(terms);
        return terms.primaryType === "Voucher" ? form(signature) : signature;
      };
      const buyer = openChannelBuyer(lab.client, { ...account, signTypedData });
      for (let i = 0; i < 2; i += 1) await buyer.buy(shop.url);
    }
    const served = 1_000n * BigInt(shop.served());
    expect(served >= 4_000n).to.equal(true);
    const keeper = await lab.keeper(journal, { authorizers: [authorizer()] });
    await keeper.round();
    await decided(journal);
    await keeper.sweep();
    expect(keeper.alerts).to.deep.equal([]);
    expect(await lab.balanceOf(receiver)).to.equal(served);
  });

  it("leaves a bad voucher out, reports it, and claims the rest", async () => {
    const journal = await lab.journal();
    const { shop, channels } = await openChannels(journal, [1, 2, 3, 4]);
    const bad = channels[2]!;
    const typedData = voucherTypedData(lab.client.chain.id, bad.id, 2_000n);
    const signature = await lab.accountOf(5).signTypedData(typedData);
    await shop.storage.updateChannel(bad.id, (current) => ({ ...current!, signature }));
    const keeper = await lab.keeper(journal, { authorizers: [authorizer()] });
    const report = await keeper.claim();
    expect(report.claimed.map(({ channelId }) => channelId)).to.have.members(
      channels.filter((one) => one !== bad).map(({ id }) => id),
    );
    expect(new Set(report.claimed.map(({ transaction }) => transaction)).size).to.equal(1);
    expect(report.bad).to.deep.equal([{ channelId: bad.id, reason: "InvalidSignature" }]);
    expect(await claimedOf(bad.id)).to.equal(0n);
    expect(keeper.alerts.map(({ kind, channelId }) => [kind, channelId])).to.deep.equal([["bad-voucher", bad.id]]);
    // It is not tried again until it is time, or until there is a new voucher.
    await keeper.round();
    const calls = await journal.keeperCalls(lab.client.chain.id);
    expect(calls.filter(({ state, claims }) => state === "open" && claims.length > 0)).to.deep.equal([]);
    await bad.buyer.buy(shop.url);
    await keeper.round();
    await until(async () => (await claimedOf(bad.id)) === 3_000n);
  });

  it("claims what a channel holds if more was charged, and says so", async () => {
    const journal = await lab.journal();
    const { shop, channels } = await openChannels(journal, [1]);
    const [{ id }] = channels as [(typeof channels)[number]];
    await shop.storage.updateChannel(id, (current) => ({ ...current!, chargedCumulativeAmount: "2500" }));
    const keeper = await lab.keeper(journal, { authorizers: [authorizer()] });
    const report = await keeper.claim();
    expect(report.claimed).to.have.length(1);
    expect(report.bad).to.have.length(1);
    expect(await claimedOf(id)).to.equal(2_000n);
  });

  it("says which key is missing, and that a claim is in danger", async () => {
    const journal = await lab.journal();
    const { channels } = await openChannels(journal, [1]);
    const [{ id, config, index }] = channels as [(typeof channels)[number]];
    const keeper = await lab.keeper(journal);
    await lab.withdraw(index, config, 5_000n);
    await keeper.round();
    expect(keeper.alerts.map(({ kind, address }) => [kind, address])).to.deep.equal([
      ["key-missing", authorizer().address],
    ]);
    expect((await keeper.status()).authorizers[0]).to.deep.include({ signs: "missing", unclaimed: 2_000n });
    expect((await keeper.claim()).withoutKey).to.deep.equal([id]);
    await lab.sleepOnChain(MINUTES_8);
    await keeper.round();
    expect(keeper.alerts.at(-1)).to.deep.include({ kind: "claim-in-danger", channelId: id });
  });

  it("claims and refunds in the receiver's own name if the receiver sends", async () => {
    const journal = await lab.journal();
    const receiver = lab.accountOf(16).address;
    const { channels } = await openChannels(journal, [1], receiver);
    const [{ id, buyer }] = channels as [(typeof channels)[number]];
    const keeper = await lab.keeper(journal, { sender: 16 });
    expect((await keeper.status()).authorizers[0]?.signs).to.equal("sender");
    expect((await keeper.claim()).claimed).to.have.length(1);
    expect(await claimedOf(id)).to.equal(2_000n);
    const before = await lab.balanceOf(buyer.account.address);
    expect(await keeper.refund(id, 3_000n)).to.deep.include({ amount: 3_000n, claimed: 2_000n });
    expect((await lab.balanceOf(buyer.account.address)) - before).to.equal(3_000n);
  });

  it("refunds what is not earned after a claim of what is, and lets the payer continue", async () => {
    const journal = await lab.journal();
    const { shop, channels } = await openChannels(journal, [1]);
    const [{ id, index }] = channels as [(typeof channels)[number]];
    const keeper = await lab.keeper(journal, { authorizers: [authorizer()] });
    const failure = async (amount: bigint) => keeper.refund(id, amount).catch((error: unknown) => error);
    expect(await failure(8_001n)).to.be.instanceOf(ChannelError);
    const result = await keeper.refund(id);
    expect(result).to.deep.include({ channelId: id, amount: 8_000n, claimed: 2_000n });
    expect(await lab.onChain(id)).to.deep.equal([2_000n, 2_000n]);
    expect(await journal.channels([id]).then((rows) => rows.get(id)?.record)).to.deep.include({
      balance: "2000",
      totalClaimed: "2000",
      refundNonce: 1,
    });
    expect(await failure(1n)).to.be.instanceOf(ChannelError);
    // A client learns of the refund from the chain when it starts.
    expect((await lab.buyer(index).buy(shop.url)).status).to.equal(200);
  });

  it("refuses a refund while a request is in progress", async () => {
    const journal = await lab.journal();
    const { shop, channels } = await openChannels(journal, [1]);
    const [{ id }] = channels as [(typeof channels)[number]];
    const pendingRequest = { pendingId: "x", signedMaxClaimable: "3000", expiresAt: Date.now() + 60_000 };
    await shop.storage.updateChannel(id, (current) => ({ ...current!, pendingRequest }));
    const keeper = await lab.keeper(journal, { authorizers: [authorizer()] });
    const error = await keeper.refund(id).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(ChannelError);
    expect((await shop.storage.get(id))?.pendingRequest?.pendingId).to.equal("x");
  });

  it("warns while its purse cannot pay for a claim", async () => {
    const journal = await lab.journal();
    await openChannels(journal, [1]);
    await lab.chain.request("hardhat_setBalance", [lab.accountOf(15).address, "0x1"]);
    const keeper = await lab.keeper(journal, { authorizers: [authorizer()], sender: 15 });
    await keeper.round();
    expect(keeper.alerts).to.deep.include({
      kind: "purse-low",
      address: lab.accountOf(15).address,
      message: keeper.alerts.find(({ kind }) => kind === "purse-low")?.message ?? "",
    });
  });
});
