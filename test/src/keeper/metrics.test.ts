import { expect } from "chai";
import { encodeFunctionData, type Hex } from "viem";
import { batchSettlementAbi as abi } from "../../../src/channels/abi.ts";
import { type Journal, JournalError } from "../../../src/journal/index.ts";
import { keeperCall } from "../../../src/keeper/calls/compose.ts";
import { createKeeperMetrics, type KeeperMetrics } from "../../../src/keeper/index.ts";
import { networks } from "../../../src/networks.ts";
import { freshAddress } from "../../helpers/chainLab.ts";
import { until } from "../../helpers/engineLab.ts";
import { type KeeperLab, openKeeperLab } from "../../helpers/keeperLab.ts";

const { usdc } = networks.baseSepolia;

describe("createKeeperMetrics", () => {
  let lab: KeeperLab;
  before(async () => {
    lab = await openKeeperLab();
  });
  beforeEach(() => lab.remember());
  afterEach(() => lab.closeAll());
  after(() => lab.stop());

  /** Buyers 1 and 2, each of whom bought for 1000 units. */
  async function openChannels(journal: Journal) {
    const receiver = freshAddress(4_000);
    const shop = await lab.shop(journal, receiver, lab.accountOf(17));
    for (const index of [1, 2]) expect((await lab.buyer(index).buy(shop.url)).status).to.equal(200);
    const channels = await shop.storage.list();
    const of = (index: number) => {
      const { address } = lab.accountOf(index);
      const found = channels.find(({ channelConfig }) => channelConfig.payer === address);
      return { id: found!.channelId as Hex, config: found!.channelConfig };
    };
    return { shop, receiver, of };
  }

  /** The values by metric and labels, without the common prefix. */
  async function scrape(metrics: KeeperMetrics): Promise<Readonly<Record<string, number>>> {
    const { contentType, body } = await metrics.render();
    expect(contentType).to.match(/^text\/plain/);
    const lines = body.split("\n").filter((line) => line.startsWith("tributary_"));
    return Object.fromEntries(
      lines.map((line) => {
        const [, name = "", value] = /^tributary_(.*) (\S+)$/.exec(line) ?? [];
        return [name, Number(value)];
      }),
    );
  }
  const inUnits = (name: string) => `channels_${name}_units{token="${usdc.address}"}`;

  it("continues without the journal, and reports that it is down", async () => {
    const journal = await lab.journal();
    await openChannels(journal);
    let isAway = false;
    const keeperCalls = (chainId: number) => {
      return isAway
        ? Promise.reject(new JournalError("unavailable", "The database is away."))
        : journal.keeperCalls(chainId);
    };
    const metrics = createKeeperMetrics(lab.client, {
      journal: { ...journal, keeperCalls },
      engine: { accounts: () => [] },
    });
    expect(await scrape(metrics)).to.include({ journal_up: 1, channels: 2, keeper_open_calls: 0 });
    isAway = true;
    const without = await scrape(metrics);
    expect(without).to.include({ journal_up: 0, 'keeper_alerts_total{kind="purse-low"}': 0 });
    expect(without).not.to.have.any.keys("channels", "keeper_open_calls", inUnits("unclaimed"));
    isAway = false;
    expect(await scrape(metrics)).to.include({ journal_up: 1, channels: 2 });
  });

  it("shows what is open, unclaimed, unswept and in danger", async () => {
    const journal = await lab.journal();
    const { of } = await openChannels(journal);
    const keeper = await lab.keeper(journal);
    const { timestamp } = await lab.client.getBlock();
    const began = Date.now();
    const before = await scrape(keeper.metrics);
    expect(before).to.include({ channels: 2, channels_unclaimed: 2, channels_withdrawing: 0, keeper_open_calls: 0 });
    expect(before).to.include({ [inUnits("unclaimed")]: 2_000, [inUnits("unswept")]: 0 });
    expect(before).not.to.have.property("channels_claim_deadline_seconds");
    expect(before).to.include({ 'keeper_alerts_total{kind="key-missing"}': 0, keeper_last_round_timestamp_seconds: 0 });

    await lab.withdraw(1, of(1).config, 5_000n);
    await keeper.round();
    const after = await scrape(keeper.metrics);
    // Its blocks have the real time in seconds, or one second more.
    const deadline = Number(timestamp) + of(1).config.withdrawDelay;
    const latest = Number((await lab.client.getBlock()).timestamp) - Number(timestamp) + 1;
    expect(after.channels_claim_deadline_seconds).to.be.within(
      deadline - Date.now() / 1000,
      deadline - began / 1000 + latest,
    );
    expect(after).to.include({ channels_withdrawing: 1, 'keeper_alerts_total{kind="key-missing"}': 1 });
    expect(after.keeper_last_round_timestamp_seconds).to.be.within(began / 1000, Date.now() / 1000);
    expect(after[`sender_balance_ether{sender="${lab.accountOf(19).address}"}`]).to.be.within(9_000, 10_000);
    const { body } = await keeper.metrics.render();
    for (const index of [1, 2]) {
      const { payer } = of(index).config;
      for (const name of [payer, of(index).id]) expect(body.toLowerCase()).not.to.contain(name.toLowerCase());
    }
  });

  it("counts claims, sweeps and refunds with their gas, and what failed", async () => {
    const journal = await lab.journal();
    const { receiver, of } = await openChannels(journal);
    const keeper = await lab.keeper(journal, { authorizers: [lab.accountOf(17)] });
    const purse = lab.accountOf(19).address;
    const firstBlock = await lab.client.getBlockNumber();
    await keeper.claim([of(1).id]);
    expect(await scrape(keeper.metrics)).to.include({ [inUnits("unclaimed")]: 1_000, [inUnits("unswept")]: 1_000 });
    await keeper.sweep();
    await keeper.refund(of(2).id, 500n);
    // An earlier process left this call; it reverts.
    const data = encodeFunctionData({ abi, functionName: "claimWithSignature", args: [[], "0x"] });
    const nowMs = Date.now();
    const when = { client: lab.client, nowMs, deadlineSeconds: BigInt(Math.ceil(nowMs / 1000) + 60) };
    const call = { data, gas: 100_000n, proof: undefined };
    await journal.storeKeeperCall(keeperCall(when, call, { claims: [], sweeps: [] }));
    expect(await scrape(keeper.metrics)).to.include({ keeper_open_calls: 1 });
    await keeper.round();
    await until(() => keeper.alerts.some(({ kind }) => kind === "call-failed"));
    await until(async () => (await lab.balanceOf(receiver)) === 2_000n);
    await until(async () => (await scrape(keeper.metrics)).keeper_open_calls === 0);

    const values = await scrape(keeper.metrics);
    expect(values).to.include({ [inUnits("unclaimed")]: 0, [inUnits("unswept")]: 0, channels: 2 });
    expect(values).to.include({
      'keeper_calls_total{kind="claim",outcome="settled"}': 1,
      'keeper_calls_total{kind="refund",outcome="settled"}': 1,
      'keeper_calls_total{kind="sweep",outcome="settled"}': 2,
      'keeper_calls_total{kind="claim",outcome="failed"}': 1,
      'keeper_alerts_total{kind="call-failed"}': 1,
      keeper_claimed_channels_total: 2,
    });
    let gas = 0n;
    for (let number = firstBlock + 1n; number <= (await lab.client.getBlockNumber()); number += 1n) {
      const { transactions } = await lab.client.getBlock({ blockNumber: number, includeTransactions: true });
      for (const { hash, from } of transactions) {
        if (from.toLowerCase() !== purse.toLowerCase()) continue;
        const { gasUsed, status } = await lab.client.getTransactionReceipt({ hash });
        if (status === "success") gas += gasUsed;
      }
    }
    const counted = ["claim", "sweep", "refund"].reduce((sum, kind) => {
      return sum + (values[`keeper_gas_total{kind="${kind}"}`] ?? 0);
    }, 0);
    expect(counted).to.equal(Number(gas));
  });

  it("answers without the node", async () => {
    const journal = await lab.journal();
    await openChannels(journal);
    const keeper = await lab.keeper(journal);
    const { getBalance } = lab.client;
    Object.assign(lab.client, { getBalance: () => Promise.reject(new Error("away")) });
    try {
      const values = await scrape(keeper.metrics);
      expect(values).to.include({ [inUnits("unclaimed")]: 2_000 });
      expect(Object.keys(values).filter((name) => name.startsWith("sender_balance"))).to.deep.equal([]);
    } finally {
      Object.assign(lab.client, { getBalance });
    }
  });
});
