import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { randomOf } from "./random.ts";
import type { Striking } from "./striking.ts";
import type { RunClock } from "./time.ts";

/** A WebSocket by which a node announces its new blocks. */
export type Announcer = {
  readonly url: string;
  readonly announce: (number: number) => void;
  readonly close: () => Promise<void>;
};

export const ANNOUNCER_FAULTS = [
  "late-announcement",
  "doubled-announcement",
  "false-announcement",
  "closed-subscription",
  "silent-subscription",
] as const;

type Fault = (typeof ANNOUNCER_FAULTS)[number];

type Socket = {
  readonly on: (event: "message", hear: (text: unknown) => void) => void;
  readonly send: (text: string) => void;
  readonly close: () => void;
  readonly terminate: () => void;
};

/** One announcement in so many goes wrong. */
const PROBABILITY = 0.3;
/** In the run's time. */
const LATE_MS = { least: 200, most: 5_000 };
const SUBSCRIPTION = "0x5ab5c81be";

/**
 * Announces blocks and, as `striking` says, falls silent without closing, closes, and announces blocks late, twice, or
 * nonsense in their place. Who subscribes anew is told the truth at first.
 */
export async function startAnnouncer({
  seed,
  striking,
  clock,
}: {
  readonly seed: number;
  readonly striking: Striking<Fault>;
  readonly clock: RunClock;
}): Promise<Announcer> {
  const hardhat = createRequire(import.meta.url).resolve("hardhat/package.json");
  const { WebSocketServer } = createRequire(hardhat)("ws");
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await new Promise((resolve) => server.once("listening", resolve));
  const random = randomOf(seed, "announcer");
  const closing = new AbortController();
  const subscribed = new Set<Socket>();

  server.on("connection", (socket: Socket) => {
    socket.on("message", (text) => {
      const { id, method } = JSON.parse(String(text));
      const isSubscribing = method === "eth_subscribe";
      socket.send(JSON.stringify({ jsonrpc: "2.0", id, result: isSubscribing ? SUBSCRIPTION : true }));
      if (isSubscribing) subscribed.add(socket);
    });
  });

  const textOf = (result: unknown): string =>
    JSON.stringify({ jsonrpc: "2.0", method: "eth_subscription", params: { subscription: SUBSCRIPTION, result } });
  const headOf = (number: number): string => textOf({ number: `0x${number.toString(16)}` });

  function falseText(number: number): string {
    return random.pick([
      "no JSON",
      textOf(null),
      textOf({ number }),
      textOf({ number: "0x" }),
      headOf(1),
      headOf(Math.max(0, number - random.between(1, 9))),
      headOf(number + random.between(1, 9)),
      headOf(number + 1_000_000),
      headOf(2 ** 52),
    ]);
  }

  function tell(socket: Socket, number: number): void {
    const fault = striking.next(() => random.chance(PROBABILITY));
    striking.count(fault);
    switch (fault) {
      case undefined:
        socket.send(headOf(number));
        return;
      case "silent-subscription":
        subscribed.delete(socket);
        return;
      case "closed-subscription":
        subscribed.delete(socket);
        if (random.chance(0.5)) socket.close();
        else socket.terminate();
        return;
      case "late-announcement":
        void clock.sleep(random.between(LATE_MS.least, LATE_MS.most), closing.signal).then(() => {
          if (subscribed.has(socket)) socket.send(headOf(number));
        });
        return;
      case "doubled-announcement":
        for (const back of [0, 0, random.below(3)]) socket.send(headOf(Math.max(0, number - back)));
        return;
      case "false-announcement":
        socket.send(falseText(number));
        if (random.chance(0.5)) socket.send(headOf(number));
        return;
    }
  }

  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    announce: (number) => {
      for (const socket of subscribed) {
        if (server.clients.has(socket)) tell(socket, number);
        else subscribed.delete(socket);
      }
    },
    close: async () => {
      closing.abort();
      for (const socket of server.clients) socket.terminate();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
