import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Hex, LocalAccount } from "viem";
import { readChannelState } from "../../../src/chain/facts/channels.ts";
import { BATCH_SETTLEMENT_ADDRESS } from "../../../src/channels/index.ts";
import { type Journal, openJournal } from "../../../src/journal/index.ts";
import { chargedOf } from "../../../src/keeper/channels/rows.ts";
import { networks } from "../../../src/networks.ts";
import { readEarnings } from "../../../src/settlement/reports/earnings/index.ts";
import { reconcile } from "../../../src/settlement/reports/reconcile/reconcile.ts";
import { freshAddress } from "../../helpers/chainLab.ts";
import { channelOf, idOf } from "../../helpers/channelPayloads.ts";
import { openChannelBuyer } from "../../helpers/channelShop.ts";
import { sleep, until } from "../../helpers/engineLab.ts";
import { type FacilitatorLab, openFacilitatorLab } from "../../helpers/facilitator.ts";
import { isLong, seed } from "../../helpers/randomness.ts";
import type { JournalKill } from "../kills.ts";
import { randomOf } from "../random.ts";
import type { Life } from "./process.ts";
import { type Living, openProcessPool, type ProcessPool } from "./processes.ts";

/** Where a life ends: at one of its own writes, or killed by the parent at any moment. */
type Death = JournalKill | { readonly at: "time"; readonly afterMs: number };
type Role = Life["role"];

const FUNDS = 10n ** 12n;
/** The most that one request costs, in atomic units. */
const PRICE = 1_000;
/** Small, so that channels are topped up all the time. */
const DEPOSIT = "3000";
const SHOPPERS = 3;
/** After five minutes, a server's note of a request in progress is void, and so is what it knows of the chain. */
const DOWN_MS = 600_000;
/**
 * A kill hits one of this many writes. A purchase has two writes of the server, a claim with its sweep some 15 of the
 * keeper.
 */
const CUTS = { server: 8, keeper: 20 } as const;

function deathsOf(role: Role): readonly Death[] {
  const random = randomOf(seed, `deaths of the ${role}`);
  const cuts = Array.from({ length: CUTS[role] }, (_, i) => i + 1).flatMap((occurrence) =>
    (["before", "during", "after"] as const).map((when): JournalKill => {
      return { at: "journal", method: "write", occurrence, when };
    }),
  );
  const chosen = isLong ? cuts : Array.from({ length: 3 }, () => random.pick(cuts));
  const others = Array.from({ length: isLong ? 20 : 1 }, (): Death => ({ at: "time", afterMs: random.below(400) }));
  return [...chosen, ...others];
}

/** A payer who buys again and again, and what they bought. */
type Shopper = {
  readonly account: LocalAccount;
  readonly channelId: Hex;
  buyer: ReturnType<typeof openChannelBuyer>;
  /** The price of everything that was delivered in full. */
  delivered: bigint;
  /** The price of requests whose connection broke: perhaps charged, not delivered. */
  broken: bigint;
};

describe("SIGKILL of server and keeper between any two steps", () => {
  const receiver = freshAddress(7_000);
  const folder = mkdtempSync(join(tmpdir(), "tributary-killed-"));
  const file = join(folder, "journal.db");
  let pool: ProcessPool;
  let lab: FacilitatorLab;
  let facilitatorUrl: string;
  let journal: Journal;
  let server: Living | undefined;
  let isOver = false;

  before(async () => {
    pool = openProcessPool(3);
    lab = await openFacilitatorLab({ blockTimeSeconds: 0 });
    facilitatorUrl = (await lab.serve()).url;
    journal = await openJournal(file);
  });
  after(async () => {
    isOver = true;
    await pool.close();
    await journal.close();
    await lab.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const keyOf = (index: number) => lab.chain.accounts[index]!.privateKey;
  const stateOf = ({ channelId }: Shopper) => readChannelState(lab.client, channelId);

  function lifeOf(role: Role, number: number, death: Death | undefined): Life {
    const kill = death?.at === "journal" ? death : undefined;
    const common = { journal: file, kill, authorizerKey: keyOf(17) };
    if (role === "server") return { ...common, role, facilitatorUrl, receiver, aheadMs: number * DOWN_MS };
    // Under another name it must wait until what the previous engine picked is free again.
    const owner = isLong && number % 3 === 2 ? `keeper ${number}` : "keeper";
    return { ...common, role, rpcUrl: lab.chain.rpcUrl, senderKey: keyOf(16), owner };
  }

  /** One life after another, each until it is killed, and a last one that stays, unless everything is over earlier. */
  async function liveThrough(
    role: Role,
    { onStart, onDeath }: { onStart: (living: Living | undefined) => void; onDeath: () => Promise<void> },
  ): Promise<void> {
    for (const [number, death] of [...deathsOf(role), undefined].entries()) {
      if (isOver) return;
      const living = await pool.start(lifeOf(role, number, death));
      onStart(living);
      if (death === undefined) return;
      if (death.at === "time") void sleep(death.afterMs).then(() => living?.kill());
      await living?.ended;
      onStart(undefined);
      await onDeath();
    }
  }

  async function openShopper(number: number): Promise<Shopper> {
    const account = await lab.payer(7_000 + number, FUNDS);
    const channelId = idOf(channelOf(account.address, receiver));
    return { account, channelId, buyer: openBuyer(account), delivered: 0n, broken: 0n };
  }

  /** The official client, which knows only what the chain says. */
  function openBuyer(account: LocalAccount) {
    return openChannelBuyer(lab.client, account, { depositStrategy: () => DEPOSIT });
  }

  /** Takes back a part or all of what is left. There may be nothing left, or no answer. */
  async function refund(shopper: Shopper, url: string, amount: string | undefined): Promise<void> {
    await shopper.buyer.refund(url, amount).catch((error: unknown) => {
      // Otherwise it would never learn of a refund that was made.
      if (isBrokenConnection(error)) shopper.buyer = openBuyer(shopper.account);
    });
  }

  /** Buys, and now and then takes back a part or all of what is left, until everything is over. */
  async function shop(shopper: Shopper, number: number): Promise<void> {
    const random = randomOf(seed, `shopper ${number}`);
    while (!isOver) {
      if (server === undefined) {
        await sleep(5);
        continue;
      }
      const { url } = server;
      if (random.chance(0.08)) await refund(shopper, url, random.chance(0.5) ? "1" : undefined);
      const amount = BigInt(random.between(1, PRICE));
      const answer = await shopper.buyer.buy(`${url}?amount=${amount}`).catch((error: unknown) => {
        if (!isBrokenConnection(error)) throw error;
      });
      if (answer === undefined) shopper.broken += amount;
      else if (answer.status === 200) shopper.delivered += amount;
      else throw new Error(`a purchase was answered with ${answer.status}: ${answer.refusal}`);
    }
  }

  /** What was charged, from the journal, or from the chain if the journal no longer has it. */
  async function earnedFrom(shopper: Shopper): Promise<bigint> {
    const row = (await journal.channels([shopper.channelId])).get(shopper.channelId);
    const charged = row === undefined ? 0n : chargedOf(row);
    const { totalClaimed } = await stateOf(shopper);
    return charged > totalClaimed ? charged : totalClaimed;
  }

  it("continues and loses nothing earned: delivered, charged, claimed, swept and refunded add up to the unit", async () => {
    const shoppers = await Promise.all(Array.from({ length: SHOPPERS }, (_, number) => openShopper(number)));
    const onDeath = async () => {
      for (const shopper of shoppers) {
        const { delivered } = shopper;
        expect((await earnedFrom(shopper)) >= delivered, "what was delivered is on disk or claimed").to.equal(true);
      }
    };
    const onStart = (living: Living | undefined) => {
      server = living;
    };
    const lives = Promise.all([
      liveThrough("server", { onStart, onDeath }),
      liveThrough("keeper", { onStart: () => undefined, onDeath }),
    ]).finally(() => {
      isOver = true;
    });
    await Promise.all([lives, ...shoppers.map(shop)]);

    const earned = await Promise.all(shoppers.map(earnedFrom));
    const total = earned.reduce((sum, one) => sum + one, 0n);
    await until(async () => (await lab.balanceOf(receiver)) === total);
    const states = await Promise.all(shoppers.map(stateOf));
    for (const [i, { delivered, broken, account }] of shoppers.entries()) {
      expect(delivered > 0n).to.equal(true);
      expect(earned[i]! >= delivered && earned[i]! <= delivered + broken, "charged").to.equal(true);
      expect(states[i]!.totalClaimed, "claimed").to.equal(earned[i]);
      expect((await lab.balanceOf(account.address)) + states[i]!.balance, "deposited").to.equal(FUNDS);
    }
    const left = states.reduce((sum, { balance, totalClaimed }) => sum + balance - totalClaimed, 0n);
    expect(await lab.balanceOf(BATCH_SETTLEMENT_ADDRESS)).to.equal(left);
    expect(pool.alerts).to.deep.equal([]);

    // What is left belongs to the payers: each gets it back to the unit.
    for (const [i, { account, buyer }] of shoppers.entries()) {
      if (states[i]!.balance > states[i]!.totalClaimed) await buyer.refund(server!.url);
      expect(await lab.balanceOf(account.address)).to.equal(FUNDS - earned[i]!);
    }
    expect(await lab.balanceOf(BATCH_SETTLEMENT_ADDRESS)).to.equal(0n);

    // The journal knows every unit of it, even if the claimer died.
    const token = networks.baseSepolia.usdc.address;
    const chain = await until(async () => {
      const found = await reconcile(lab.client, {
        journal,
        token,
        fromBlock: 0n,
        toBlock: await lab.client.getBlockNumber(),
      });
      const tallies = [found.channels?.claims, found.channels?.sweeps, found.channels?.givenBack];
      return tallies.every((one) => one?.undecided.count === 0) ? found : undefined;
    });
    const said = JSON.stringify(chain.channels, (_, one: unknown) => (typeof one === "bigint" ? `${one}` : one));
    expect(chain.drift, said).to.equal(0);
    expect(chain.channels?.sweeps.matched.value).to.equal(total);
    const { totals } = await readEarnings(journal, { chainId: lab.client.chain.id, token });
    expect(totals).to.include({ earned: total, onItsWay: 0n, unclaimed: 0n, unswept: 0n, paidOut: total });
  });
});

function isBrokenConnection(error: unknown): boolean {
  const { cause, message } = error as Error;
  const { code } = (cause ?? {}) as { readonly code?: string };
  return message === "terminated" || ["ECONNRESET", "ECONNREFUSED", "UND_ERR_SOCKET"].includes(code ?? "");
}
