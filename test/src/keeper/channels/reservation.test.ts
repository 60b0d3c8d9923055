import { expect } from "chai";
import type { Clock } from "../../../../src/clock.ts";
import { type Journal, openJournal } from "../../../../src/journal/index.ts";
import { requestOf } from "../../../../src/keeper/channels/reservation.ts";
import { createChannelStorage } from "../../../../src/keeper/channels/storage.ts";
import { networks } from "../../../../src/networks.ts";
import { idOf, recordOf, reserved } from "../../../helpers/channelRecords.ts";
import { until } from "../../../helpers/until.ts";

const { chainId } = networks.baseSepolia;
const LEASE_MS = 15_000;
const FIVE_MINUTES = 300_000;

/** A clock that moves only when told to. */
function handClock() {
  let nowMs = 1_000_000;
  let sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];
  const clock: Clock = {
    now: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        const sleeper = { atMs: nowMs + ms, wake: resolve };
        sleepers.push(sleeper);
        signal?.addEventListener("abort", () => {
          sleepers = sleepers.filter((one) => one !== sleeper);
          resolve();
        });
      }),
  };
  return {
    clock,
    sleeping: () => sleepers.length,
    advance: (ms: number) => {
      nowMs += ms;
      const due = sleepers.filter(({ atMs }) => atMs <= nowMs);
      sleepers = sleepers.filter(({ atMs }) => atMs > nowMs);
      for (const { wake } of due) wake();
    },
  };
}

describe("the requests of a channel storage", () => {
  let journal: Journal;
  beforeEach(async () => {
    journal = await openJournal(":memory:");
  });
  afterEach(() => journal.close());

  /** A server process with its own clock. */
  function openServer() {
    const time = handClock();
    const storage = createChannelStorage(journal, { chainId, clock: time.clock });
    const request = async () => (await storage.get(idOf(1)))?.pendingRequest;
    return {
      ...time,
      storage,
      /** Reserves a channel for a request that charges `price`, as the official server does. */
      take: async (pendingId: string, price = 1n) => {
        let isTaken = false;
        await storage.updateChannel(idOf(1), (current) => {
          const live = current?.pendingRequest;
          isTaken = live === undefined || live.expiresAt <= time.clock.now();
          if (!isTaken) return current;
          const charged = BigInt(current?.chargedCumulativeAmount ?? 0);
          const record = recordOf(1, charged, { signedMaxClaimable: (charged + price).toString() });
          return reserved(record, pendingId, time.clock.now() + FIVE_MINUTES);
        });
        return isTaken;
      },
      /** Charges for a request as it does: only if the channel still names the request. */
      charge: async (pendingId: string) => {
        const { status } = await storage.updateChannel(idOf(1), (current) => {
          if (current === undefined || requestOf(current) !== pendingId) return current;
          const { pendingRequest: _, ...rest } = current;
          return { ...rest, chargedCumulativeAmount: current.signedMaxClaimable };
        });
        return status === "updated";
      },
      expiresInMs: async () => ((await request())?.expiresAt ?? Number.NaN) - time.clock.now(),
      /** Lets time pass, during which the process renews what it holds. */
      live: async (ms: number) => {
        const before = (await request())?.expiresAt;
        time.advance(ms);
        if (before === undefined) return;
        await until(async () => (await request())?.expiresAt !== before);
      },
    };
  }

  it("hold their channel for 15 s at first, and longer only while their process lives", async () => {
    const server = openServer();
    expect(await server.take("a")).to.equal(true);
    expect(await server.expiresInMs()).to.equal(LEASE_MS);
    for (let i = 0; i < 10; i += 1) {
      await server.live(LEASE_MS / 3);
      expect(await server.expiresInMs()).to.equal(LEASE_MS);
    }
    // For the server itself, the request is as good as new.
    const other = openServer();
    other.advance(10 * (LEASE_MS / 3));
    expect(await other.take("b")).to.equal(false);
    expect(await server.charge("a")).to.equal(true);
    expect(await other.take("b")).to.equal(true);
  });

  it("free it when their process has shown no sign of life for 15 s, and not before", async () => {
    const dead = openServer();
    expect(await dead.take("a")).to.equal(true);
    const next = openServer();
    next.advance(LEASE_MS - 1);
    expect(await next.take("b")).to.equal(false);
    next.advance(1);
    expect(await next.take("b")).to.equal(true);
    // It only stood still and wakes up: nothing is charged for its request, and it takes nothing back.
    dead.advance(LEASE_MS);
    expect(await dead.charge("a")).to.equal(false);
    dead.advance(LEASE_MS);
    expect(await next.charge("b")).to.equal(true);
    expect((await next.storage.get(idOf(1)))?.chargedCumulativeAmount).to.equal("1");
  });

  it("hold it no longer than the server asked for, alive or not", async () => {
    const server = openServer();
    await server.take("a");
    for (let passed = 0; passed < FIVE_MINUTES - LEASE_MS; passed += LEASE_MS / 3) await server.live(LEASE_MS / 3);
    expect(await server.expiresInMs()).to.equal(LEASE_MS);
    server.advance(LEASE_MS / 3);
    server.advance(LEASE_MS / 3);
    server.advance(LEASE_MS / 3);
    await until(() => server.sleeping() === 0);
    expect(await server.take("b")).to.equal(true);
  });

  it("cost nothing when they are over: nothing runs while no channel is held", async () => {
    const server = openServer();
    expect(server.sleeping()).to.equal(0);
    await server.take("a");
    expect(server.sleeping()).to.equal(1);
    await server.charge("a");
    await until(() => server.sleeping() === 0);
  });

  it("hold it for as long as the server asked for if they are refunds: one may be on its way", async () => {
    const server = openServer();
    expect(await server.take("refund", 0n)).to.equal(true);
    expect(await server.expiresInMs()).to.equal(FIVE_MINUTES);
    expect(server.sleeping()).to.equal(0);
  });
});
