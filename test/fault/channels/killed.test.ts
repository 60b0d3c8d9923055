import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type Hex, zeroHash } from "viem";
import { readChannelState } from "../../../src/chain/channels.ts";
import { BATCH_SETTLEMENT_ADDRESS } from "../../../src/channels/index.ts";
import { chargedOf } from "../../../src/keeper/rows.ts";
import { openStore, type Store } from "../../../src/settlement/store/index.ts";
import { freshAddress } from "../../helpers/chainLab.ts";
import { authorizer, channelOf, idOf } from "../../helpers/channelPayloads.ts";
import { openChannelBuyer } from "../../helpers/channelShop.ts";
import { sleep, until } from "../../helpers/engineLab.ts";
import { type FacilitatorLab, openFacilitatorLab, payerOf } from "../../helpers/facilitator.ts";
import { isLong, seed } from "../../helpers/randomness.ts";
import type { StoreKill } from "../kills.ts";
import { randomOf } from "../random.ts";
import type { Life } from "./process.ts";
import { type Living, openProcessPool, type ProcessPool } from "./processes.ts";

/** Where a life ends: at a write of its own, or at any moment by somebody else's hand. */
type Death = StoreKill | { readonly at: "time"; readonly afterMs: number };
type Role = Life["role"];

const FUNDS = 1_000_000n;
/** The most that one request costs, in atomic units. */
const PRICE = 1_000;
/** Small, so that channels are topped up all the time. */
const DEPOSIT = "3000";
const SHOPPERS = 3;
/** What a server remembers of a request in progress is void after five minutes, and so is what it knows of the chain. */
const DOWN_MS = 600_000;
/** So many writes of a life are cut: the server's are two for a purchase, the keeper's some thirty for a claim and a sweep. */
const CUTS = { server: 8, keeper: 45 } as const;

const random = randomOf(seed, "channels");

function deathsOf(role: Role): readonly Death[] {
  const cuts = Array.from({ length: CUTS[role] }, (_, i) => i + 1).flatMap((occurrence) =>
    (["before", "during", "after"] as const).map((when): StoreKill => {
      return { at: "store", method: "write", occurrence, when };
    }),
  );
  const chosen = isLong ? cuts : Array.from({ length: 4 }, () => random.pick(cuts));
  const others = Array.from({ length: isLong ? 20 : 2 }, (): Death => ({ at: "time", afterMs: random.below(400) }));
  return [...chosen, ...others];
}

/** A payer who buys again and again, and what came of it. */
type Shopper = {
  readonly channelId: Hex;
  readonly buyer: ReturnType<typeof openChannelBuyer>;
  /** What was asked for everything that was delivered whole. */
  delivered: bigint;
  /** What was asked for where the connection broke: perhaps charged, not delivered. */
  broken: bigint;
};

describe("SIGKILL of server and keeper between any two steps", function () {
  this.timeout(isLong ? 1_800_000 : 90_000);
  const receiver = freshAddress(7_000);
  const folder = mkdtempSync(join(tmpdir(), "tributary-killed-"));
  const journal = join(folder, "journal.db");
  let lab: FacilitatorLab;
  let store: Store;
  let pool: ProcessPool;
  let facilitatorUrl: string;

  before(async () => {
    pool = openProcessPool(3);
    lab = await openFacilitatorLab({ blockTimeSeconds: 0 });
    facilitatorUrl = (await lab.serve()).url;
    store = await openStore(journal);
  });
  after(async () => {
    await pool.close();
    await store.close();
    await lab.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  function lifeOf(role: Role, number: number, death: Death | undefined): Life {
    const kill = death?.at === "store" ? death : undefined;
    const common = { journal, kill, authorizerKey: lab.chain.accounts[17]!.privateKey };
    if (role === "server") return { ...common, role, facilitatorUrl, receiver, aheadMs: number * DOWN_MS };
    const owner = random.chance(0.7) ? "keeper" : `keeper ${number}`;
    return { ...common, role, rpcUrl: lab.chain.rpcUrl, senderKey: lab.chain.accounts[16]!.privateKey, owner };
  }

  /** One life behind the other, each to its death, and one that stays. */
  async function liveThrough(role: Role, arrive: (living: Living | undefined) => void, mourn: () => Promise<void>) {
    const deaths = deathsOf(role);
    for (const [number, death] of [...deaths, undefined].entries()) {
      const living = await pool.start(lifeOf(role, number, death));
      arrive(living);
      if (death === undefined) return;
      if (death.at === "time") void sleep(death.afterMs).then(() => living?.kill());
      await living?.ended;
      arrive(undefined);
      await mourn();
    }
  }

  const chargedFor = async ({ channelId }: Shopper): Promise<bigint> => {
    const [rows, { totalClaimed }] = [await store.channels([channelId]), await readChannelState(lab.client, channelId)];
    const row = rows.get(channelId);
    const charged = row === undefined ? 0n : chargedOf(row);
    return charged > totalClaimed ? charged : totalClaimed;
  };

  it("loses nothing that was earned: delivered, charged, claimed, swept and refunded add up to the unit", async () => {
    const shoppers = await Promise.all(
      Array.from({ length: SHOPPERS }, async (_, i): Promise<Shopper> => {
        const account = await lab.payer(7_000 + i, FUNDS);
        const buyer = openChannelBuyer(lab.client, account, { depositStrategy: () => DEPOSIT });
        const channelId = idOf(channelOf(account.address, receiver, { salt: zeroHash }));
        return { channelId, buyer, delivered: 0n, broken: 0n };
      }),
    );
    let server: Living | undefined;
    let isOver = false;

    async function shop(shopper: Shopper): Promise<void> {
      while (!isOver) {
        if (server === undefined) {
          await sleep(10);
          continue;
        }
        const amount = BigInt(random.between(1, PRICE));
        try {
          if (random.chance(0.04)) await shopper.buyer.refund(server.url, "1");
          const { status } = await shopper.buyer.buy(`${server.url}?amount=${amount}`);
          if (status === 200) shopper.delivered += amount;
          else console.log(status);
        } catch (error) {
          shopper.broken += amount;
          console.log(String(error), String((error as Error).cause));
          await sleep(10);
        }
      }
    }
    /** Whatever was delivered by now is charged on disk or claimed on the chain. */
    async function check(): Promise<void> {
      for (const shopper of shoppers) {
        const { delivered } = shopper;
        expect((await chargedFor(shopper)) >= delivered, "what was delivered is charged").to.equal(true);
      }
    }

    const shopping = shoppers.map(shop);
    await Promise.all([
      liveThrough(
        "server",
        (living) => {
          server = living;
        },
        check,
      ),
      liveThrough("keeper", () => undefined, check),
    ]);
    isOver = true;
    await Promise.all(shopping);
    console.log(
      shoppers.map(({ delivered, broken }) => [delivered, broken]),
      pool.alerts,
    );

    const earned = await Promise.all(shoppers.map(chargedFor));
    for (const [i, { delivered, broken }] of shoppers.entries()) {
      expect(delivered > 0n && earned[i]! >= delivered && earned[i]! <= delivered + broken).to.equal(true);
    }
    const total = earned.reduce((sum, one) => sum + one, 0n);
    await until(async () => (await lab.balanceOf(receiver)) === total, 20_000);
    let withdrawable = 0n;
    for (const [i, { channelId, buyer }] of shoppers.entries()) {
      const { balance, totalClaimed } = await readChannelState(lab.client, channelId);
      expect(totalClaimed).to.equal(earned[i]);
      expect((await lab.balanceOf(buyer.account.address)) + balance).to.equal(FUNDS);
      withdrawable += balance - totalClaimed;
    }
    expect(await lab.balanceOf(BATCH_SETTLEMENT_ADDRESS)).to.equal(withdrawable);
  });
});
