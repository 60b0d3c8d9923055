import { hostname } from "node:os";
import { expect } from "chai";
import type { Address } from "viem";
import { type Journal, openJournal } from "../../../src/journal/index.ts";
import type { ChannelKeeper } from "../../../src/keeper/index.ts";
import { ChannelError } from "../../../src/keeper/index.ts";
import { askKeeper, findKeepers, serveRequests } from "../../../src/keeper/requests.ts";
import { createHandClock } from "../../helpers/handClock.ts";
import { until } from "../../helpers/until.ts";

const chainId = 84532;
const purse = `0x${"11".repeat(20)}` as const;
const channelId = `0x${"22".repeat(32)}` as const;
const transaction = `0x${"33".repeat(32)}` as const;

describe("askKeeper", () => {
  let journal: Journal;
  let clock: ReturnType<typeof createHandClock>;
  /** What the keepers of a test did, in order. */
  let done: string[];
  beforeEach(async () => {
    journal = await openJournal(":memory:");
    clock = createHandClock(1_000_000);
    done = [];
  });
  afterEach(() => journal.close());

  const ask = (task: Parameters<typeof askKeeper>[1], signal?: AbortSignal) =>
    askKeeper({ journal, chainId, clock, signal }, task);
  const isAsked = () => until(async () => (await journal.cursor(`keeper-request:${chainId}`)) !== undefined);
  /** A keeper that is alive, as its lease says. */
  async function keeper(
    name = "a",
    change: Partial<Pick<ChannelKeeper, "claim" | "sweep" | "refund">> = {},
    sender: Address = purse,
  ) {
    const place = { host: hostname(), pid: process.pid };
    await journal.acquireLease({ chainId, sender, owner: "engine", ttlMs: 60_000, place });
    return serveRequests({
      ...{ journal, chainId, clock, senders: [sender] },
      keeper: {
        claim: async (ids) => {
          done.push(`${name} claims ${ids?.length ?? "all"}`);
          return {
            claimed: [{ channelId, totalClaimed: 2n ** 100n, transaction }],
            bad: [],
            withoutKey: [],
            failed: [],
          };
        },
        sweep: async () => ({ swept: [], failed: [{ receiver: purse, token: purse }] }),
        refund: async (id, amount) => {
          done.push(`${name} refunds ${amount}`);
          return { channelId: id, amount: amount ?? 1n, claimed: 5n, transaction };
        },
        ...change,
      },
    });
  }
  /** Lets both sides run until the answer is there. */
  async function answered<T>(asking: Promise<T>, ...serving: (() => Promise<void>)[]): Promise<T> {
    let isOver = false;
    const over = asking.finally(() => {
      isOver = true;
    });
    over.catch(() => undefined);
    await until(async () => {
      await Promise.all(serving.map((serve) => serve()));
      clock.set(clock.now() + 250);
      return isOver;
    });
    return over;
  }

  it("passes a claim, a sweep and a refund to a keeper, and returns its answer", async () => {
    const serve = await keeper();
    expect((await findKeepers(journal, chainId)).map(({ senders }) => senders)).to.deep.equal([[purse]]);
    expect(await answered(ask({ kind: "claim", channelIds: [channelId] }), serve)).to.deep.equal({
      kind: "claim",
      report: { claimed: [{ channelId, totalClaimed: 2n ** 100n, transaction }], bad: [], withoutKey: [], failed: [] },
    });
    expect(await answered(ask({ kind: "sweep" }), serve)).to.deep.equal({
      kind: "sweep",
      report: { swept: [], failed: [{ receiver: purse, token: purse }] },
    });
    const refund = await answered(ask({ kind: "refund", channelId, amount: 7n }), serve);
    expect(refund).to.deep.include({ kind: "refund" });
    expect(done).to.deep.equal(["a claims 1", "a refunds 7"]);
  });

  it("lets one of several keepers do it, once", async () => {
    const keepers = await Promise.all(["a", "b", "c"].map((name) => keeper(name)));
    await answered(ask({ kind: "refund", channelId, amount: 7n }), ...keepers);
    for (const serve of keepers) await serve();
    expect(done).to.have.length(1);
  });

  it("says which request a keeper refused, and that another failed", async () => {
    const refusing = await keeper("a", {
      refund: async () => {
        throw new ChannelError("It has 5 atomic units to give back.", { hint: "Ask for at most 5." });
      },
      sweep: async () => {
        throw new Error("no node\nwith a second line");
      },
    });
    expect(await answered(ask({ kind: "refund", channelId }), refusing)).to.deep.equal({
      kind: "error",
      isRefused: true,
      message: "It has 5 atomic units to give back.",
      hint: "Ask for at most 5.",
    });
    expect(await answered(ask({ kind: "sweep" }), refusing)).to.deep.equal({
      kind: "error",
      isRefused: false,
      message: "no node",
    });
  });

  it("withdraws what no keeper took, and no keeper does it later", async () => {
    const serve = await keeper();
    expect(await answered(ask({ kind: "claim" }))).to.equal(undefined);
    await serve();
    const stop = new AbortController();
    const asking = ask({ kind: "claim" }, stop.signal);
    await isAsked();
    stop.abort();
    expect(await answered(asking)).to.equal(undefined);
    await serve();
    expect(done).to.deep.equal([]);
  });

  it("ignores a request of a process that was killed long ago, and lets others ask", async () => {
    const stop = new AbortController();
    const asking = ask({ kind: "claim" }, stop.signal);
    await isAsked();
    const old = await journal.cursor(`keeper-request:${chainId}`);
    stop.abort();
    await answered(asking);
    await journal.setCursor(`keeper-request:${chainId}`, old!);
    clock.set(clock.now() + 121_000);
    const serve = await keeper();
    const answer = await answered(ask({ kind: "claim", channelIds: [channelId, channelId] }), serve);
    expect(answer?.kind).to.equal("claim");
    expect(done).to.deep.equal(["a claims 2"]);
  });

  it("says that the outcome is unknown if the keeper that took it is gone", async () => {
    let take = (): void => undefined;
    const taken = new Promise<void>((resolve) => {
      take = resolve;
    });
    const serve = await keeper("a", {
      claim: () => {
        take();
        return new Promise(() => undefined);
      },
    });
    const asking = ask({ kind: "claim" });
    await isAsked();
    void serve();
    await taken;
    // Its key is free, so the keeper is gone.
    const lease = (await journal.senders(chainId))[0]!.lease!;
    await journal.releaseLease(lease);
    expect(await findKeepers(journal, chainId)).to.deep.equal([]);
    expect(await answered(asking)).to.deep.equal({ kind: "unanswered" });
  });

  it("still finds a keeper after another one with its own purse came and went", async () => {
    const other = `0x${"44".repeat(20)}` as const;
    const serve = await keeper("a");
    await keeper("b", {}, other);
    const sendersNow = async () => (await findKeepers(journal, chainId)).flatMap(({ senders }) => senders).sort();
    expect(await sendersNow()).to.deep.equal([purse, other]);
    const lease = (await journal.senders(chainId)).find(({ sender }) => sender === other)!.lease!;
    await journal.releaseLease(lease);
    expect(await sendersNow()).to.deep.equal([purse]);
    expect((await answered(ask({ kind: "claim" }), serve))?.kind).to.equal("claim");
    expect(done).to.deep.equal(["a claims all"]);
  });

  it("does not wait for another keeper to answer a request of one that is gone", async () => {
    const other = `0x${"44".repeat(20)}` as const;
    let take = (): void => undefined;
    const taken = new Promise<void>((resolve) => {
      take = resolve;
    });
    const claim = () => {
      take();
      return new Promise<never>(() => undefined);
    };
    const serve = await keeper("a", { claim });
    await keeper("b", {}, other);
    const asking = ask({ kind: "claim" });
    await isAsked();
    void serve();
    await taken;
    const askedAtMs = clock.now();
    await journal.releaseLease((await journal.senders(chainId)).find(({ sender }) => sender === purse)!.lease!);
    expect(await answered(asking)).to.deep.equal({ kind: "unanswered" });
    expect(clock.now() - askedAtMs).to.be.below(60_000);
  });
});
