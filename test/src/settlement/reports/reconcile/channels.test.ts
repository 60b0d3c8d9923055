import { expect } from "chai";
import { type Address, getAddress } from "viem";
import type { ChannelEvent, Journal } from "../../../../../src/journal/index.ts";
import { networks } from "../../../../../src/networks.ts";
import { reconcile } from "../../../../../src/settlement/reports/reconcile/reconcile.ts";
import { freshAddress } from "../../../../helpers/chainLab.ts";
import { type KeeperLab, openKeeperLab } from "../../../../helpers/keeperLab.ts";

const { chainId, usdc } = networks.baseSepolia;

describe("reconcile, of channels", () => {
  let lab: KeeperLab;
  let next = 8_300;
  before(async () => {
    lab = await openKeeperLab();
  });
  beforeEach(() => lab.remember());
  afterEach(() => lab.closeAll());
  after(() => lab.stop());

  const fresh = (): Address => {
    next += 1;
    return getAddress(freshAddress(next));
  };
  const authorizer = () => lab.accountOf(17);
  const compare = async (journal: Journal, terms: Partial<Parameters<typeof reconcile>[1]> = {}) =>
    reconcile(lab.client, {
      journal,
      token: usdc.address,
      fromBlock: 0n,
      toBlock: await lab.client.getBlockNumber(),
      ...terms,
    });
  const eventsOf = (journal: Journal) => journal.channelEvents({ chainId, afterId: 0, limit: 100 });
  async function sold(journal: Journal, receiver = fresh()) {
    const shop = await lab.shop(journal, receiver, authorizer());
    const buyer = lab.buyer(1);
    for (let i = 0; i < 2; i += 1) expect((await buyer.buy(shop.url)).status).to.equal(200);
    return { shop, receiver, buyer };
  }

  it("has no channels if the journal has none in the token", async () => {
    const result = await compare(await lab.journal());
    expect(result.channels).to.equal(undefined);
    expect(result.drift).to.equal(0);
  });

  it("shows what is only on the chain: claimed and swept in blocks that no keeper read", async () => {
    const journal = await lab.journal();
    const { shop, receiver } = await sold(journal);
    await shop.manager.claimAndSettle();
    const { drift, channels } = await compare(journal);
    expect(channels?.claims.onlyOnChain).to.deep.equal({ count: 1, value: 2_000n });
    expect(channels?.sweeps.onlyOnChain).to.deep.equal({ count: 1, value: 2_000n });
    expect(channels?.differences.map(({ side, kind, receiver: whose }) => [side, kind, whose])).to.deep.equal([
      ["onlyOnChain", "claim", receiver],
      ["onlyOnChain", "sweep", receiver],
    ]);
    expect(drift).to.equal(2);

    // A keeper that starts there reads both.
    const keeper = await lab.keeper(journal, { firstBlock: 0n });
    await keeper.round();
    const after = await compare(journal);
    expect(after.drift).to.equal(0);
    expect(after.channels?.claims.matched).to.deep.equal({ count: 1, value: 2_000n });
  });

  it("tells what a keeper has not read yet from drift", async () => {
    const journal = await lab.journal();
    const { shop } = await sold(journal);
    const keeper = await lab.keeper(journal, { policy: { maxCostPermille: 1n, etherMicroUsd: 3_000_000_000n } });
    await keeper.round();
    await shop.manager.claim();
    const { drift, channels } = await compare(journal);
    expect(drift).to.equal(0);
    expect(channels?.claims.undecided).to.deep.equal({ count: 1, value: 2_000n });
    expect(channels).to.include({ unclaimed: 0n, unswept: 2_000n });
  });

  it("shows what is only in the journal, and claims through channels that it does not know", async () => {
    const journal = await lab.journal();
    const { receiver } = await sold(journal);
    const keeper = await lab.keeper(journal, { authorizers: [authorizer()] });
    await keeper.claim();
    const [claim] = await eventsOf(journal);
    const invented: ChannelEvent = { ...claim!, logIndex: claim!.logIndex + 50, amount: 7n };
    await journal.noteChannelEvents([invented]);
    const first = await compare(journal);
    expect(first.channels?.claims.onlyInJournal).to.deep.equal({ count: 1, value: 7n });
    expect(first.drift).to.equal(1);

    // Another server of the same merchant, with its own journal.
    const other = await lab.journal();
    const shop = await lab.shop(other, receiver, authorizer());
    expect((await lab.buyer(2).buy(shop.url)).status).to.equal(200);
    const otherKeeper = await lab.keeper(other, { authorizers: [authorizer()], sender: 16 });
    await otherKeeper.claim();
    const second = await compare(journal);
    expect(second.channels?.receivers).to.deep.equal([
      { receiver, unclaimed: 0n, unswept: 3_000n, unknownClaims: 1_000n },
    ]);
    expect(second.drift).to.equal(2);
  });

  it("reads only the given blocks and receivers", async () => {
    const journal = await lab.journal();
    const [one, two] = [await sold(journal), await sold(journal)];
    const keeper = await lab.keeper(journal, { authorizers: [authorizer()] });
    await keeper.claim();
    const middle = await lab.client.getBlockNumber();
    await keeper.sweep([one.receiver]);
    await keeper.sweep([two.receiver]);
    const tallies = async (terms: Parameters<typeof compare>[1]) => {
      const { channels, drift } = await compare(journal, terms);
      return [channels?.claims.matched.value, channels?.sweeps.matched.value, drift];
    };
    expect(await tallies({})).to.deep.equal([4_000n, 4_000n, 0]);
    expect(await tallies({ toBlock: middle })).to.deep.equal([4_000n, 0n, 0]);
    expect(await tallies({ fromBlock: middle + 1n })).to.deep.equal([0n, 4_000n, 0]);
    expect(await tallies({ payees: [one.receiver] })).to.deep.equal([2_000n, 2_000n, 0]);
  });

  it("forgets what a reorganisation undid, and notes it again if it is mined again", async () => {
    const journal = await lab.journal();
    await sold(journal);
    // The same bytes, sent once more at the last moment, would be mined again after the reorganisation.
    const pace = { rebroadcastAfterMs: 600_000, replaceAfterMs: 600_000 };
    const keeper = await lab.keeper(journal, { authorizers: [authorizer()], firstBlock: 0n, pace });
    await keeper.round();
    const before = await lab.chain.request("evm_snapshot", []);
    await keeper.claim();
    await keeper.round();
    expect((await eventsOf(journal)).map(({ kind }) => kind)).to.include("claim");
    await keeper.close();
    await lab.chain.request("evm_revert", [before]);
    // The same height, without them.
    await lab.chain.request("hardhat_mine", ["0x8"]);
    const watching = await lab.keeper(journal, { sender: 16 });
    await watching.round();
    expect(await eventsOf(journal)).to.deep.equal([]);
    expect((await compare(journal)).channels?.claims.onlyInJournal.count).to.equal(0);
  });
});
