import { expect } from "chai";
import fc from "fast-check";
import type { ChannelRow, Journal } from "../../../src/journal/index.ts";
import { everyChannel } from "../../../src/journal/pages.ts";
import { isWrite } from "../../fault/kills.ts";
import { freshAddress } from "../../helpers/chainLab.ts";
import { sleep, until } from "../../helpers/engineLab.ts";
import { type KeeperLab, openKeeperLab } from "../../helpers/keeperLab.ts";
import { isLong, seed } from "../../helpers/randomness.ts";

describe("a keeper that is killed", () => {
  let lab: KeeperLab;
  before(async () => {
    lab = await openKeeperLab();
  });
  after(async () => {
    await lab.closeAll();
    await lab.stop();
  });

  /** The journal of a process that dies around its write number `lastWrite`: nothing of it comes back from then on. */
  function doomed(journal: Journal, lastWrite: number, isDone: boolean) {
    const never = new Promise<never>(() => undefined);
    let writes = 0;
    let isDead = false;
    let die = (): void => undefined;
    const death = new Promise<undefined>((resolve) => {
      die = () => resolve(undefined);
    });
    const proxy = new Proxy(journal, {
      get: (target, name, self) => {
        const member: unknown = Reflect.get(target, name, self);
        if (typeof member !== "function" || name === "onChange") return member;
        return (...args: unknown[]): unknown => {
          if (isDead) return never;
          if (typeof name === "string" && isWrite(name, args)) writes += 1;
          if (writes < lastWrite) return member.apply(target, args);
          isDead = true;
          die();
          // Just before the write, or just after it without its answer.
          if (isDone) void member.apply(target, args);
          return never;
        };
      },
    });
    return { journal: proxy, writes: () => writes, isDead: () => isDead, death };
  }

  async function rowsOf(journal: Journal): Promise<ChannelRow[]> {
    const rows: ChannelRow[] = [];
    for await (const page of everyChannel(journal, lab.client.chain.id)) rows.push(...page);
    return rows;
  }

  it("leaves nothing unclaimed or unswept, whichever write was its last", async () => {
    const receiver = freshAddress(900);
    const authorizers = [lab.accountOf(17)];
    await lab.remember();
    const shop = await lab.journal();
    const { url } = await lab.shop(shop, receiver, lab.accountOf(17));
    for (const index of [1, 2]) await lab.buyer(index).buy(url);
    const sold = await rowsOf(shop);
    await lab.remember();

    /**
     * One life up to that write, and another after it. Both have one name, so that the second need not wait until what
     * the first had picked is free again.
     * @returns How many writes the first life made.
     */
    const live = async (lastWrite: number, isDone: boolean): Promise<number> => {
      const journal = await lab.journal();
      await journal.changeChannels(
        sold.map((after) => ({ before: undefined, after })),
        Date.now(),
      );
      const isOver = async () => {
        const calls = await journal.keeperCalls(lab.client.chain.id);
        return calls.length === 0 && (await lab.balanceOf(receiver)) === 2_000n;
      };
      const first = doomed(journal, lastWrite, isDone);
      // A starting engine notes the journal's chain: it may be killed at that write, before there is a keeper.
      const starting = lab.keeper(first.journal, { authorizers, owner: "same", isDoomed: true });
      const keeper = await Promise.race([starting, first.death]);
      for (let left = 400; left > 0 && !first.isDead() && !(await isOver()); left -= 1) {
        await Promise.race([keeper?.round(), sleep(30)]);
        await sleep(5);
      }
      // It may be done before that write, which is then one of its end.
      if (!first.isDead()) await Promise.race([keeper?.close(), first.death]);
      const next = await lab.keeper(journal, { authorizers, owner: "same" });
      await until(async () => {
        await next.round();
        return isOver();
      });
      for (const row of await rowsOf(journal))
        expect(row).to.deep.include({ claimed: 1_000n, unclaimedSinceMs: undefined });
      expect((await next.status()).receivers.map(({ unswept }) => unswept)).to.deep.equal([0n]);
      expect(next.alerts).to.deep.equal([]);
      await lab.closeAll();
      await lab.remember();
      return first.writes();
    };

    const writes = await live(Number.POSITIVE_INFINITY, false);
    expect(writes).to.be.within(10, 60);
    const cuts = Array.from({ length: 2 * writes }, (_, i) => ({ at: 1 + (i >> 1), isDone: i % 2 === 1 }));
    const chosen = isLong
      ? cuts
      : (fc.sample(fc.shuffledSubarray(cuts, { minLength: 5, maxLength: 5 }), { numRuns: 1, seed })[0] ?? []);
    for (const { at, isDone } of chosen) await live(at, isDone);
  });
});
