import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InMemoryClientChannelStorage } from "@x402/evm/batch-settlement/client";
import { expect } from "chai";
import type { Address, Hex } from "viem";
import { BATCH_SETTLEMENT_ADDRESS } from "../../../src/channels/index.ts";
import type { Journal } from "../../../src/journal/index.ts";
import { openProcessPool, type ProcessPool } from "../../fault/channels/processes.ts";
import { freshAddress } from "../../helpers/chainLab.ts";
import { ERR } from "../../helpers/channelDesk.ts";
import { authorizer, channelOf, idOf } from "../../helpers/channelPayloads.ts";
import type { ShopAnswer } from "../../helpers/channelShop.ts";
import { type KeeperLab, openKeeperLab } from "../../helpers/keeperLab.ts";

const PRICE = 1_000n;
/** What the official server asks a client to deposit. */
const DEPOSIT = 10n * PRICE;

describe("official client and server on our channel storage, facilitator and keeper", () => {
  const folder = mkdtempSync(join(tmpdir(), "tributary-storage-"));
  let lab: KeeperLab;
  let pool: ProcessPool;
  before(async () => {
    pool = openProcessPool(2);
    lab = await openKeeperLab({ isOurs: true });
  });
  afterEach(() => lab.closeAll());
  after(async () => {
    await pool.close();
    await lab.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A buyer's channel with that receiver. */
  const channelIdOf = (index: number, receiver: Address): Hex =>
    idOf(channelOf(lab.accountOf(index).address, receiver));
  const recordOf = async (journal: Journal, id: Hex) => {
    const row = (await journal.channels([id])).get(id);
    if (row === undefined) throw new Error("no such channel");
    return row.record;
  };

  /** Claims and sweeps everything: the receiver gets what was charged, and the rest stays with the payer. */
  async function cashUp(journal: Journal, id: Hex, receiver: Address, charged: bigint): Promise<void> {
    const keeper = await lab.keeper(journal, { authorizers: [authorizer] });
    const { claimed, bad } = await keeper.claim();
    expect([claimed.map(({ totalClaimed }) => totalClaimed), bad]).to.deep.equal([[charged], []]);
    expect(await lab.onChain(id)).to.deep.equal([DEPOSIT, charged]);
    await keeper.sweep();
    expect(await lab.balanceOf(receiver)).to.equal(charged);
  }

  it("dynamic price below the ceiling: charges, records and claims what was asked, not what was signed", async () => {
    const receiver = freshAddress(7_100);
    const id = channelIdOf(1, receiver);
    const journal = await lab.journal();
    const shop = await lab.shop(journal, receiver, authorizer);
    const storage = new InMemoryClientChannelStorage();
    const buyer = lab.buyer(1, { storage });
    const funds = await lab.balanceOf(buyer.account.address);
    const held = await lab.balanceOf(BATCH_SETTLEMENT_ADDRESS);

    // The deposit's own request, a free one, one unit, one unit below the price, the price, a quarter of it.
    const asked = [250n, 0n, 1n, PRICE - 1n, PRICE, "25%"] as const;
    let charged = 0n;
    for (const amount of asked) {
      const ceiling = charged + PRICE;
      const cost = amount === "25%" ? PRICE / 4n : amount;
      charged += cost;
      const { status, receipt } = await buyer.buy(`${shop.url}?amount=${encodeURIComponent(`${amount}`)}`);
      expect([status, receipt?.extra?.chargedAmount]).to.deep.equal([200, `${cost}`]);
      expect(await storage.get(id)).to.deep.include({ chargedCumulativeAmount: `${charged}`, balance: `${DEPOSIT}` });
      expect(await recordOf(journal, id)).to.include({
        chargedCumulativeAmount: `${charged}`,
        signedMaxClaimable: `${ceiling}`,
      });
    }
    expect(charged).to.equal(2_500n);

    // More than the ceiling is refused, and not charged.
    expect((await buyer.buy(`${shop.url}?amount=${PRICE + 1n}`)).status).to.equal(402);
    expect(await recordOf(journal, id)).to.include({ chargedCumulativeAmount: `${charged}` });
    expect(await storage.get(id)).to.include({ chargedCumulativeAmount: `${charged}` });

    await cashUp(journal, id, receiver, charged);
    expect(await lab.balanceOf(BATCH_SETTLEMENT_ADDRESS)).to.equal(held + DEPOSIT - charged);
    expect(await buyer.refund(shop.url)).to.include({ success: true, amount: `${DEPOSIT - charged}` });
    expect(await lab.balanceOf(buyer.account.address)).to.equal(funds - charged);
    expect(await lab.balanceOf(BATCH_SETTLEMENT_ADDRESS)).to.equal(held);
  });

  for (const [index, isRestarted] of [
    [2, false],
    [3, true],
  ] as const) {
    const name = isRestarted ? ", with a server process that was killed in between" : "";
    it(`corrective 402 after lost client state: the client continues, charged once for each resource${name}`, async () => {
      const receiver = freshAddress(7_100 + index);
      const id = channelIdOf(index, receiver);
      const file = join(folder, `${index}.db`);
      const journal = await lab.journal(file);
      const serve = () =>
        pool.start({
          role: "server",
          journal: file,
          facilitatorUrl: lab.ours!.url,
          receiver,
          authorizerKey: lab.keyOf(17).privateKey,
          aheadMs: 0,
          kill: undefined,
        });
      let server = await serve();
      const answers: ShopAnswer[] = [];
      const open = (storage = new InMemoryClientChannelStorage()) =>
        lab.buyer(index, { storage, onAnswer: (answer) => answers.push(answer) });
      let delivered = 0n;
      /** Buys once, and returns all answers: their status, their reason, and the channel's state in them. */
      const buy = async (buyer: ReturnType<typeof open>) => {
        answers.length = 0;
        const { status, receipt } = await buyer.buy(server!.url);
        expect([status, receipt?.extra?.chargedAmount]).to.deep.equal([200, `${PRICE}`]);
        delivered += PRICE;
        expect(await recordOf(journal, id)).to.include({ chargedCumulativeAmount: `${delivered}` });
        return answers.map(({ status: one, required }) => {
          const state = required?.accepts[0]?.extra.channelState as { chargedCumulativeAmount: string } | undefined;
          return state === undefined ? one : [one, required?.error, state.chargedCumulativeAmount];
        });
      };
      const plainly = [402, 200];
      const corrected = () => [402, [402, ERR("cumulative_amount_mismatch"), `${delivered - PRICE}`], 200];

      const storage = new InMemoryClientChannelStorage();
      const first = open(storage);
      expect(await buy(first)).to.deep.equal(plainly);
      const backup = structuredClone(await storage.get(id));
      expect(await buy(first)).to.deep.equal(plainly);
      expect(await buy(first)).to.deep.equal(plainly);
      if (isRestarted) {
        server?.kill();
        await server?.ended;
        server = await serve();
      }

      // Everything is lost: the chain says that nothing is claimed, so the client starts at zero.
      const fresh = open();
      expect(await buy(fresh)).to.deep.equal(corrected());
      expect(await buy(fresh)).to.deep.equal(plainly);
      // The restored state is old: its voucher is three purchases too small.
      const old = new InMemoryClientChannelStorage();
      await old.set(id, backup!);
      const restored = open(old);
      expect(await buy(restored)).to.deep.equal(corrected());
      expect(await buy(restored)).to.deep.equal(plainly);

      expect(delivered).to.equal(7n * PRICE);
      await cashUp(journal, id, receiver, delivered);
      // Lost again after the claim: now the chain knows everything.
      const last = open();
      expect(await buy(last)).to.deep.equal(plainly);
      expect(await lab.onChain(id)).to.deep.equal([DEPOSIT, 7n * PRICE]);
      server?.kill();
      await server?.ended;
    });
  }
});
