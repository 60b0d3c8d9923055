import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import { type Address, getAddress } from "viem";
import type { Journal } from "../../../../../src/journal/index.ts";
import { networks } from "../../../../../src/networks.ts";
import { settlePayments } from "../../../../../src/settlement/job/job.ts";
import {
  EarningsError,
  type EarningsQuery,
  readEarnings,
} from "../../../../../src/settlement/reports/earnings/index.ts";
import { reconcile } from "../../../../../src/settlement/reports/reconcile/reconcile.ts";
import { freshAddress } from "../../../../helpers/chainLab.ts";
import { until } from "../../../../helpers/engineLab.ts";
import { type KeeperLab, openKeeperLab } from "../../../../helpers/keeperLab.ts";
import { sharedPostgres } from "../../../../helpers/postgres.ts";

const { chainId, usdc } = networks.baseSepolia;
const token = usdc.address;
/** The price of a purchase, in atomic units. */
const PRICE = 1_000n;

describe("readEarnings", () => {
  let lab: KeeperLab;
  let next = 8_100;
  before(async () => {
    lab = await openKeeperLab();
  });
  let firstBlock: bigint;
  beforeEach(async () => {
    await lab.remember();
    firstBlock = (await lab.client.getBlockNumber()) + 1n;
  });
  afterEach(() => lab.closeAll());
  after(() => lab.stop());

  const fresh = (): Address => {
    next += 1;
    return getAddress(freshAddress(next));
  };
  const ask = (journal: Journal, query: Partial<EarningsQuery> = {}) =>
    readEarnings(journal, { chainId, token, ...query });
  const compare = async (journal: Journal) =>
    reconcile(lab.client, { journal, token, fromBlock: 0n, toBlock: await lab.client.getBlockNumber() });
  const settle = async (journal: Journal, payee: Address, count: number) => {
    const payments = await lab.pay(count, payee);
    await settlePayments(lab.client, { payments, journal: journal, senders: [lab.account] });
    return payments.reduce((sum, { authorization }) => sum + authorization.value, 0n);
  };
  const authorizer = () => lab.accountOf(17);
  const decided = (journal: Journal) =>
    until(async () => (await journal.keeperCalls(chainId)).every(({ state }) => state === "mined"));
  const feesOf = async (journal: Journal) => {
    const { totals, otherwise } = await ask(journal);
    return { gas: totals.gas + (otherwise?.gas ?? 0n), feeWei: totals.feeWei + (otherwise?.feeWei ?? 0n) };
  };

  for (const [name, place] of [
    ["SQLite", async () => ":memory:"],
    ["PostgreSQL", async () => (await sharedPostgres()).createDatabase()],
  ] as const) {
    it(`adds up to the unit what reconcile and the balances say, over batches and channels, on ${name}`, async () => {
      const journal = await lab.journal(await place());
      const [seller, other] = [fresh(), fresh()];
      const batched = await settle(journal, seller, 3);
      const elsewhere = await settle(journal, other, 2);
      const shop = await lab.shop(journal, seller, authorizer());
      const [one, two] = [lab.buyer(1), lab.buyer(2)];
      for (const buyer of [one, one, two]) expect((await buyer.buy(shop.url)).status).to.equal(200);

      const before = await ask(journal, { payees: [seller] });
      expect(before.totals).to.include({
        earned: batched + 3n * PRICE,
        onItsWay: 0n,
        unclaimed: 3n * PRICE,
        unswept: 0n,
        paidOut: batched,
      });
      expect(await lab.balanceOf(seller)).to.equal(batched);

      const keeper = await lab.keeper(journal, { authorizers: [authorizer()] });
      await keeper.claim();
      const claimed = await ask(journal, { payees: [seller] });
      expect(claimed.totals).to.include({ unclaimed: 0n, unswept: 3n * PRICE, paidOut: batched });
      await keeper.sweep();
      for (const buyer of [one, two, two]) await buyer.buy(shop.url);
      await keeper.round();
      await decided(journal);
      for (const buyer of [two]) await buyer.buy(shop.url);

      const { rows, totals, otherwise } = await ask(journal);
      const own = (await ask(journal, { payees: [seller] })).totals;
      expect(own).to.include({ earned: batched + 7n * PRICE, unclaimed: PRICE, unswept: 0n });
      expect(own.paidOut).to.equal(batched + 6n * PRICE);
      expect(await lab.balanceOf(seller)).to.equal(own.paidOut);
      expect(await lab.balanceOf(other)).to.equal(elsewhere);
      expect(totals.earned).to.equal(totals.unclaimed + totals.unswept + totals.paidOut);
      expect(new Set(rows.map(({ payee }) => payee))).to.deep.equal(new Set([seller, other]));

      const chain = await compare(journal);
      expect(chain.drift, JSON.stringify(chain.channels?.differences.map(String))).to.equal(0);
      const channels = chain.channels!;
      expect(totals.paidOut).to.equal(chain.matched.value + channels.sweeps.matched.value);
      expect(totals.unclaimed).to.equal(channels.unclaimed);
      expect(totals.unswept).to.equal(channels.unswept);
      expect(totals.earned).to.equal(chain.matched.value + channels.claims.matched.value + channels.unclaimed);
      expect(channels.claims.matched.value).to.equal(6n * PRICE);
      expect(channels.claims.matched.count).to.equal(4);

      // Every wei that left the keys is in the statement.
      const spent = await Promise.all([lab.account.address, lab.accountOf(19).address].map((key) => feesPaid(key)));
      expect(totals.feeWei + otherwise!.feeWei).to.equal(spent.reduce((sum, { feeWei }) => sum + feeWei, 0n));
      expect(totals.gas + otherwise!.gas).to.equal(spent.reduce((sum, { gas }) => sum + gas, 0n));
      expect(own.gas > 0n && own.feeWei > 0n).to.equal(true);
    });
  }

  /** The cost of a key's transactions since the test began, by their receipts. */
  async function feesPaid(key: Address) {
    let [gas, feeWei] = [0n, 0n];
    const newest = await lab.client.getBlockNumber();
    for (let blockNumber = firstBlock; blockNumber <= newest; blockNumber += 1n) {
      const { transactions } = await lab.client.getBlock({ blockNumber, includeTransactions: true });
      for (const { hash, from } of transactions) {
        if (getAddress(from) !== getAddress(key)) continue;
        const receipt = await lab.client.getTransactionReceipt({ hash });
        gas += receipt.gasUsed;
        feeWei += receipt.gasUsed * receipt.effectiveGasPrice;
      }
    }
    return { gas, feeWei };
  }

  it("counts what somebody else claims and sweeps, and what the server gives back before a keeper looks", async () => {
    const journal = await lab.journal();
    const seller = fresh();
    const shop = await lab.shop(journal, seller, authorizer());
    const [one, two] = [lab.buyer(1), lab.buyer(2)];
    for (const buyer of [one, one, two]) await buyer.buy(shop.url);
    const keeper = await lab.keeper(journal, { policy: { maxCostPermille: 1n, etherMicroUsd: 3_000_000_000n } });
    await keeper.round();
    // The official manager claims and sweeps; a refund by the server claims, too, and its channel is forgotten.
    await shop.manager.claimAndSettle();
    await two.buy(shop.url);
    await two.refund(shop.url);
    await keeper.round();

    const { totals } = await ask(journal);
    const chain = await compare(journal);
    expect(chain.drift).to.equal(0);
    expect(chain.channels?.givenBack.matched.count).to.equal(1);
    expect(totals).to.include({ earned: 4n * PRICE, unclaimed: 0n, unswept: PRICE, paidOut: 3n * PRICE });
    expect(await lab.balanceOf(seller)).to.equal(3n * PRICE);
    expect(await feesOf(journal)).to.deep.equal({ gas: 0n, feeWei: 0n });
  });

  it("adds up in a journal that did not know its channels before, and reads earlier blocks when it is told to", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tributary-earnings-"));
    try {
      const path = join(folder, "journal.db");
      const before = await lab.journal(path);
      const seller = fresh();
      const shop = await lab.shop(before, seller, authorizer());
      const [one, two] = [lab.buyer(1), lab.buyer(2)];
      const old = await lab.keeper(before, { authorizers: [authorizer()] });
      for (const buyer of [one, one, two]) await buyer.buy(shop.url);
      await old.claim();
      await old.sweep();
      await lab.chain.request("hardhat_mine", ["0x2"]);
      await old.round();
      for (const buyer of [one, two]) await buyer.buy(shop.url);
      await old.claim();
      await one.buy(shop.url);
      await old.close();
      forgetLedger(path);

      // Three were claimed and swept by then and two are claimed; one more is unclaimed.
      const journal = await lab.journal(path);
      const known = await ask(journal);
      expect(known.totals).to.include({ earned: 3n * PRICE, unclaimed: PRICE, unswept: 2n * PRICE, paidOut: 0n });
      expect(known.difference).to.equal(0n);

      const policy = { rewindBlocks: 1n };
      const next = await lab.keeper(journal, { authorizers: [authorizer()], policy });
      await next.sweep();
      const swept = await ask(journal);
      expect(swept.totals).to.include({ earned: 3n * PRICE, unclaimed: PRICE, unswept: 0n, paidOut: 2n * PRICE });
      await next.claim();
      await next.sweep();
      await next.round();
      await next.close();
      const later = await ask(journal);
      expect(later.totals).to.include({ earned: 3n * PRICE, unclaimed: 0n, unswept: 0n, paidOut: 3n * PRICE });
      expect(later.difference).to.equal(0n);
      expect((await compare(journal)).drift).to.be.above(0);

      const reader = await lab.keeper(journal, { policy, firstBlock: 0n });
      await reader.round();
      const whole = await ask(journal);
      expect(whole.totals).to.include({ earned: 6n * PRICE, unclaimed: 0n, unswept: 0n, paidOut: 6n * PRICE });
      expect(whole.difference).to.equal(0n);
      expect(await lab.balanceOf(seller)).to.equal(6n * PRICE);
      const chain = await compare(journal);
      expect(chain.drift).to.equal(0);
      expect(chain.channels?.sweeps.matched.value).to.equal(6n * PRICE);

      // Once: it does not read all of it in every round.
      await lab.chain.request("hardhat_mine", ["0x2"]);
      await reader.round();
      const head = await lab.client.getBlockNumber();
      await journal.noteChannelEvents([], { chainId, from: 0n, to: head, logs: [] });
      await reader.round();
      expect(await journal.channelEvents({ chainId, afterId: 0, limit: 10 })).to.deep.equal([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("reports what was claimed in blocks that no keeper read, and what was swept from unknown channels", async () => {
    const journal = await lab.journal();
    const seller = fresh();
    const shop = await lab.shop(journal, seller, authorizer());
    const [one, two] = [lab.buyer(1), lab.buyer(2)];
    for (const buyer of [one, one]) await buyer.buy(shop.url);
    await shop.manager.claim();
    const policy = { rewindBlocks: 1n, maxCostPermille: 1n, etherMicroUsd: 3_000_000_000n };
    const keeper = await lab.keeper(journal, { authorizers: [authorizer()], policy });
    await lab.chain.request("evm_mine", []);
    await keeper.round();
    const claimed = await ask(journal);
    expect(claimed.totals).to.include({ earned: 2n * PRICE, unclaimed: 0n, unswept: 2n * PRICE, paidOut: 0n });
    expect(claimed.difference).to.equal(0n);
    await shop.manager.settle();
    await keeper.sweep();
    expect((await ask(journal)).difference).to.equal(2n * PRICE);
    const reader = await lab.keeper(journal, { policy, firstBlock: 0n, sender: 16 });
    await reader.round();
    expect((await ask(journal)).totals).to.include({ earned: 2n * PRICE, paidOut: 2n * PRICE });

    // Another server of the same seller, with its own journal.
    const other = await lab.journal();
    const booth = await lab.shop(other, seller, authorizer());
    await two.buy(booth.url);
    await booth.manager.claim();
    await keeper.sweep();
    const foreign = await ask(journal);
    expect(foreign.totals).to.include({ earned: 2n * PRICE, paidOut: 3n * PRICE });
    expect(foreign.difference).to.equal(-PRICE);
    expect((await ask(journal, { payees: [seller] })).difference).to.equal(undefined);
  });

  it("shows what is on its way separately, and filters by day, payee and merchant", async () => {
    const journal = await lab.journal();
    const [shop, other] = [fresh(), fresh()];
    const sum = await settle(journal, shop, 2);
    const [open] = await lab.pay(1, other);
    const { authorizationId, termsDigest } = await import("../../../../../src/authorization/index.ts");
    const { authorization } = open!;
    const day = Date.UTC(2026, 0, 31, 23, 59, 59, 999);
    await journal.accept(
      [
        {
          identity: authorizationId(authorization),
          digest: termsDigest(authorization),
          work: { kind: "authorization", authorization, payerHasCode: false },
          deadlineSeconds: authorization.validBefore,
          acceptedBlock: 1n,
          source: undefined,
          bringer: "kiosk:0123",
        },
      ],
      day,
    );
    const { rows, totals } = await ask(journal, { merchantOf: (payee) => (payee === shop ? "shop" : undefined) });
    expect(totals).to.include({ onItsWay: authorization.value, earned: sum, paidOut: sum });
    expect(rows[0]).to.include({ day: "2026-01-31", payee: other, merchant: "kiosk", earned: 0n });
    expect(rows[1]).to.include({ payee: shop, merchant: "shop", earned: sum });
    const earned = async (query: Partial<EarningsQuery>) => (await ask(journal, query)).rows.map(({ payee }) => payee);
    expect(await earned({ until: "2026-01-31" })).to.deep.equal([other]);
    expect(await earned({ since: "2026-02-01" })).to.deep.equal([shop]);
    expect(await earned({ since: "2026-01-31", until: "2026-01-31" })).to.deep.equal([other]);
    expect(await earned({ payees: [shop] })).to.deep.equal([shop]);
    expect(await earned({ merchants: ["kiosk"] })).to.deep.equal([other]);
    expect((await ask(journal, { merchants: ["kiosk"] })).otherwise).to.equal(undefined);
    for (const query of [{ since: "2026-02-30" }, { since: "2026-02-02", until: "2026-02-01" }]) {
      const error = await ask(journal, query).catch((cause: unknown) => cause);
      expect(error).to.be.instanceOf(EarningsError);
    }
  });
});

/** Brings a journal into the state of one that only now gets to know its channels, and whose keeper has read nothing. */
function forgetLedger(path: string): void {
  const db = new DatabaseSync(path);
  try {
    db.exec(`
      UPDATE channels SET earning_base = claimed;
      DELETE FROM channel_days;
      DELETE FROM channel_events;
      DELETE FROM cursors WHERE name LIKE 'channels-from:%';
    `);
  } finally {
    db.close();
  }
}
