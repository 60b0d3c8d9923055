import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { expect } from "chai";
import { connectChain } from "../../../../src/chain/client.ts";
import { createHeads } from "../../../../src/chain/heads/heads.ts";
import { systemClock } from "../../../../src/clock.ts";
import { startLocalChain } from "../../../../src/local/index.ts";
import { silentLogger } from "../../../../src/logger.ts";
import { createHandClock } from "../../../helpers/handClock.ts";
import { until } from "../../../helpers/until.ts";

const BEGIN = 1_000_000;
const STEP_MS = 10;

/** No development node: it does not know the questions that only those know. */
const request = async (): Promise<never> => {
  throw new Error("the method does not exist");
};

/** Nor does it say when its blocks were made. */
const getBlock = request;

/** A chain whose newest block depends on the time, somebody who follows it, and what they asked and saw. */
function openLab(numberAt: (nowMs: number) => number | Error) {
  const clock = createHandClock(BEGIN);
  const stop = new AbortController();
  const asked: number[] = [];
  const client = {
    ...{ request, getBlock },
    getBlockNumber: async () => {
      asked.push(clock.now());
      const number = numberAt(clock.now());
      if (number instanceof Error) throw number;
      return BigInt(number);
    },
  };
  const heads = createHeads(client, { clock, logger: silentLogger, signal: stop.signal, pollMs: 500 });
  const seen: { readonly number: number; readonly atMs: number }[] = [];
  heads.onHead(() => seen.push({ number: Number(heads.newest()), atMs: clock.now() }));
  const ended = heads.follow();
  return {
    ...{ clock, heads, asked, seen },
    run: async (ms: number): Promise<void> => {
      for (const end = clock.now() + ms; clock.now() < end; ) {
        clock.set(clock.now() + STEP_MS);
        for (let i = 0; i < 6; i += 1) await turn();
      }
    },
    end: async (): Promise<void> => {
      stop.abort();
      clock.stop();
      await ended;
    },
  };
}

const every = (periodMs: number) => (nowMs: number) => 100 + Math.floor((nowMs - BEGIN) / periodMs);

describe("createHeads", () => {
  it("sees each block soon after it came, with few questions", async () => {
    const lab = openLab(every(2_000));
    await lab.run(30_000);
    expect(lab.heads.periodMs()).to.be.closeTo(2_000, 40);
    lab.asked.length = 0;
    lab.seen.length = 0;
    await lab.run(40_000);
    expect(lab.seen).to.have.length(20);
    for (const { number, atMs } of lab.seen) {
      expect(atMs - (BEGIN + (number - 100) * 2_000), `block ${number}`).to.be.within(0, 80);
    }
    expect(lab.asked.length).to.be.at.most(20 * 5);
    const { number, atMs } = lab.seen.at(-1)!;
    expect(lab.heads.dueMs(1)).to.be.closeTo(BEGIN + (number + 1 - 100) * 2_000, 80);
    expect(atMs).to.be.lessThan(lab.heads.dueMs(1)!);
    await lab.end();
  });

  it("asks at a steady pace if blocks come irregularly", async () => {
    let number = 100;
    let nextMs = BEGIN + 300;
    const lab = openLab((nowMs) => {
      while (nowMs >= nextMs) {
        number += 1;
        nextMs += 300 + ((number * 7_919) % 5_000);
      }
      return number;
    });
    await lab.run(60_000);
    expect(lab.heads.periodMs()).to.equal(undefined);
    lab.asked.length = 0;
    await lab.run(10_000);
    expect(lab.asked.length).to.be.within(15, 21);
    await lab.end();
  });

  it("asks at that pace after eight irregular blocks, and does not try for longer to learn when they come", async () => {
    const lab = openLab((nowMs) => Math.floor((nowMs - BEGIN) / 2_000) + ((nowMs - BEGIN) % 4_000 < 1_200 ? 1 : 2));
    await lab.run(20_000);
    expect(lab.heads.periodMs()).to.equal(undefined);
    lab.asked.length = 0;
    await lab.run(10_000);
    expect(lab.asked.length).to.be.within(15, 21);
    await lab.end();
  });

  it("expects no block while a chain stands still, and learns again when it goes on", async () => {
    let stoodMs = 0;
    const at = every(1_000);
    const lab = openLab((nowMs) => at(Math.min(nowMs, BEGIN + 10_000) + Math.max(0, nowMs - BEGIN - 10_000 - stoodMs)));
    stoodMs = Number.POSITIVE_INFINITY;
    await lab.run(10_000);
    expect(lab.heads.periodMs()).to.be.closeTo(1_000, 40);
    await lab.run(5_000);
    expect([lab.heads.periodMs(), lab.heads.dueMs(1)]).to.deep.equal([undefined, undefined]);
    // It asks more often at first, to learn when blocks come.
    await lab.run(30_000);
    lab.asked.length = 0;
    await lab.run(10_000);
    expect(lab.asked.length).to.be.within(18, 22);
    stoodMs = 45_000;
    await lab.run(12_000);
    expect(lab.heads.periodMs()).to.be.closeTo(1_000, 40);
    await lab.end();
  });

  it("ignores a node that is behind, and follows a chain that began anew", async () => {
    let behind = 0;
    const at = every(1_000);
    const lab = openLab((nowMs) => at(nowMs) - behind);
    await lab.run(10_200);
    behind = 2;
    await lab.run(1_000);
    expect(lab.heads.newest()).to.equal(110n);
    behind = 100;
    await lab.run(5_000);
    expect(lab.heads.newest()).to.equal(16n);
    expect(lab.heads.periodMs()).to.be.closeTo(1_000, 60);
    await lab.end();
  });

  describe("where a node tells blocks wrongly for a while", () => {
    const PERIOD_MS = 2_000;
    /** The first block that is told wrongly, and the first one after those. */
    const [FIRST, AFTER] = [120, 130];
    const bornMs = (number: number): number => BEGIN + (number - 100) * PERIOD_MS;

    /** Runs until some blocks later, and gives how far off the expectation of each block is half a second before it comes. */
    async function errors(
      wrongly: (number: number, nowMs: number) => number,
      upTo: number,
    ): Promise<Map<number, number>> {
      const at = every(PERIOD_MS);
      const isWrong = (number: number): boolean => number >= FIRST && number < AFTER;
      const lab = openLab((nowMs) => (isWrong(at(nowMs)) ? wrongly(at(nowMs), nowMs) : at(nowMs)));
      const found = new Map<number, number>();
      await lab.run(PERIOD_MS - 500);
      for (let next = 101; next <= upTo; next += 1) {
        const [dueMs, newest] = [lab.heads.dueMs(1), Number(lab.heads.newest())];
        if (dueMs !== undefined) found.set(next, dueMs + (next - 1 - newest) * PERIOD_MS - bornMs(next));
        await lab.run(PERIOD_MS);
      }
      await lab.end();
      return found;
    }

    it("is right again some blocks after they were told late", async () => {
      const found = await errors((number, nowMs) => (nowMs - bornMs(number) < 700 ? number - 1 : number), AFTER + 20);
      expect(found.get(FIRST)).to.be.closeTo(0, 60);
      expect(found.get(AFTER - 1)).to.be.greaterThan(500);
      for (let number = AFTER + 4; number <= AFTER + 20; number += 1) {
        expect(found.get(number) ?? 0, `block ${number}`).to.be.within(-250, 60);
      }
    });

    it("keeps its rhythm while two or three are told at once", async () => {
      for (const together of [2, 3]) {
        const found = await errors((number) => number - (number % together), AFTER + 5);
        for (let number = FIRST; number <= AFTER + 5; number += 1) {
          expect(found.get(number), `block ${number}`).to.be.closeTo(0, 60);
        }
      }
    });

    it("keeps its rhythm while some answers are one or two blocks old", async () => {
      const found = await errors((number, nowMs) => number - (Math.floor(nowMs / 70) % 3), AFTER + 5);
      for (let number = FIRST; number <= AFTER + 5; number += 1) {
        expect(found.get(number), `block ${number}`).to.be.closeTo(0, 120);
      }
    });
  });

  it("soon follows blocks that come much faster than before", async () => {
    const at = (nowMs: number): number => {
      const isFast = nowMs >= BEGIN + 40_000;
      return isFast ? 120 + Math.floor((nowMs - BEGIN - 40_000) / 400) : every(2_000)(nowMs);
    };
    const lab = openLab(at);
    await lab.run(40_000);
    expect(lab.heads.periodMs()).to.be.closeTo(2_000, 40);
    await lab.run(6_000);
    expect(lab.heads.periodMs()).to.be.closeTo(400, 20);
    await lab.end();
  });

  it("asks less and less often while the node does not answer", async () => {
    let isDown = false;
    const lab = openLab((nowMs) => (isDown ? new Error("down") : every(1_000)(nowMs)));
    await lab.run(10_000);
    isDown = true;
    await lab.run(30_000);
    lab.asked.length = 0;
    await lab.run(30_000);
    expect(lab.asked.length).to.be.within(5, 7);
    isDown = false;
    await lab.run(12_000);
    expect(lab.heads.periodMs()).to.be.closeTo(1_000, 60);
    await lab.end();
  });

  it("learns of a local chain's blocks by its WebSocket", async () => {
    const chain = await startLocalChain({ blockTimeSeconds: 0.3 });
    const client = await connectChain(chain.rpcUrl);
    let asked = 0;
    const counting = {
      ...{ request: client.request, getBlock },
      getBlockNumber: () => {
        asked += 1;
        return client.getBlockNumber();
      },
    };
    const stop = new AbortController();
    const options = { clock: systemClock, logger: silentLogger, signal: stop.signal, pollMs: 60_000 };
    const heads = createHeads(counting, { ...options, webSocketUrl: chain.webSocketUrl });
    let seen = 0;
    heads.onHead(() => {
      seen += 1;
    });
    const ended = heads.follow();
    // After the first block that is announced, it asks again only after a minute.
    let askedBefore = -1;
    let seenBefore = 0;
    await until(async () => {
      if (asked !== askedBefore) [askedBefore, seenBefore] = [asked, seen];
      return seen >= seenBefore + 5;
    }, "five blocks without a question");
    stop.abort();
    await ended;
    await chain.stop();
  });

  it("notices a subscription that is silent, asks meanwhile, and opens another", async () => {
    const server = await openSilentNode();
    const stop = new AbortController();
    const warnings: string[] = [];
    const say = (message: string): void => void warnings.push(message);
    const heads = createHeads(
      { request, getBlock, getBlockNumber: async () => BigInt(server.number()) },
      {
        ...{ clock: systemClock, signal: stop.signal, pollMs: 50, webSocketUrl: server.url },
        logger: { ...silentLogger, warn: say },
      },
    );
    const ended = heads.follow();
    await until(async () => server.told() > 0, "a block told");
    server.silence();
    await until(async () => warnings.some((text) => text.includes("is silent")), "a warning");
    const before = heads.newest()!;
    await until(async () => heads.newest()! > before + 1n, "blocks by asking");
    await until(async () => server.opened() > 1, "another subscription");
    stop.abort();
    await ended;
    server.close();
  });

  /** Somebody who follows a node that announces its blocks, and would otherwise ask only once a minute. */
  async function subscribe(server: Awaited<ReturnType<typeof openSilentNode>>) {
    const stop = new AbortController();
    const heads = createHeads(
      { request, getBlock, getBlockNumber: async () => BigInt(server.number()) },
      { clock: systemClock, logger: silentLogger, signal: stop.signal, pollMs: 60_000, webSocketUrl: server.url },
    );
    const ended = heads.follow();
    await until(async () => server.told() > 3, "blocks told");
    return {
      heads,
      end: async (): Promise<void> => {
        stop.abort();
        await ended;
        server.close();
      },
    };
  }

  it("does not believe a subscription that announces blocks far ahead or far back, and asks the node", async () => {
    const server = await openSilentNode();
    const { heads, end } = await subscribe(server);
    const seen: bigint[] = [];
    heads.onHead(() => seen.push(heads.newest()!));
    for (const number of [1_000_000_000, 1, server.number() + 500]) server.announce(number);
    const before = server.number();
    await until(async () => (heads.newest() ?? 0n) > BigInt(before + 5), "more blocks");
    expect(seen.map((number) => number > BigInt(before - 3) && number < BigInt(before + 100))).not.to.include(false);
    await end();
  });

  it("finds out that a subscription announces blocks late, and asks the node instead", async () => {
    const server = await openSilentNode();
    const { heads, end } = await subscribe(server);
    await until(async () => heads.periodMs() !== undefined, "a rhythm");
    server.fallBehind();
    await until(async () => heads.newest() === BigInt(server.number() - 1), "a block that is announced late");
    await until(async () => heads.newest() === BigInt(server.number()), "a block before it is announced");
    await end();
  });

  it("expects no block from a node that makes them on demand, even if they come regularly", async () => {
    const chain = await startLocalChain();
    const client = await connectChain(chain.rpcUrl);
    const stop = new AbortController();
    const heads = createHeads(client, { clock: systemClock, logger: silentLogger, signal: stop.signal, pollMs: 20 });
    const ended = heads.follow();
    for (let i = 0; i < 12; i += 1) {
      await chain.request("evm_mine");
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    await until(async () => heads.newest() === (await client.getBlockNumber()), "the newest block");
    expect([heads.periodMs(), heads.dueMs(1)]).to.deep.equal([undefined, undefined]);
    stop.abort();
    await ended;
    await chain.stop();
  });

  it("asks the node if there is no WebSocket at the address", async () => {
    const stop = new AbortController();
    let number = 0;
    const heads = createHeads(
      {
        ...{ request, getBlock },
        getBlockNumber: async () => {
          number += 1;
          return BigInt(number);
        },
      },
      { clock: systemClock, logger: silentLogger, signal: stop.signal, pollMs: 20, webSocketUrl: "ws://127.0.0.1:1" },
    );
    const ended = heads.follow();
    await until(async () => (heads.newest() ?? 0n) > 3n, "blocks");
    stop.abort();
    await ended;
  });
});

/**
 * A node with a block every 200 ms, which it announces to each subscriber, or the one before it once it has fallen behind,
 * until it falls silent.
 */
async function openSilentNode() {
  const hardhat = createRequire(import.meta.url).resolve("hardhat/package.json");
  const { WebSocketServer } = createRequire(hardhat)("ws");
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await new Promise((resolve) => server.once("listening", resolve));
  let [number, told, opened, behind, isSilent] = [10, 0, 0, 0, false];
  server.on("connection", (socket: { on: (event: string, hear: (text: unknown) => void) => void; send: Send }) => {
    socket.on("message", (text) => {
      const { id, method } = JSON.parse(String(text));
      socket.send(JSON.stringify({ jsonrpc: "2.0", id, result: method === "eth_subscribe" ? "0x1" : true }));
      if (method === "eth_subscribe") opened += 1;
    });
  });
  const announce = (block: number): void => {
    const params = { subscription: "0x1", result: { number: `0x${block.toString(16)}` } };
    for (const socket of server.clients) {
      socket.send(JSON.stringify({ jsonrpc: "2.0", method: "eth_subscription", params }));
      told += 1;
    }
  };
  const timer = setInterval(() => {
    number += 1;
    if (!isSilent) announce(number - behind);
  }, 200);
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    number: () => number,
    told: () => told,
    opened: () => opened,
    announce,
    fallBehind: () => {
      behind = 1;
    },
    silence: () => {
      isSilent = true;
    },
    close: () => {
      clearInterval(timer);
      for (const socket of server.clients) socket.terminate();
      server.close();
    },
  };
}

type Send = (text: string) => void;
