import type { Server } from "node:http";
import { connect, type Socket } from "node:net";
import { expect } from "chai";
import { listen } from "../../../src/http/listen.ts";
import { createHostCheck } from "../../../src/http/names.ts";
import { type ConnectionBounds, connectionsWithin, createBoundedServer } from "../../../src/http/server.ts";

const ASK = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

describe("createBoundedServer", () => {
  const open: (() => void)[] = [];
  afterEach(() => {
    for (const close of open.splice(0)) close();
  });

  async function serve(bounds: Partial<ConnectionBounds>): Promise<{ server: Server; url: string; port: number }> {
    const server = createBoundedServer((_, response) => response.end("ok"), createHostCheck("127.0.0.1"), bounds);
    open.push(() => server.close().closeAllConnections());
    return { server, ...(await listen(server, { host: "127.0.0.1", port: 0 })) };
  }

  /** A connection that sends `first`; `ended` is what it received, once the other end has closed it. */
  async function dial(port: number, first = "", localAddress = "127.0.0.1") {
    const socket: Socket = connect({ port, host: "127.0.0.1", localAddress });
    open.push(() => socket.destroy());
    let heard = "";
    socket.on("data", (chunk) => {
      heard += chunk.toString();
    });
    socket.on("error", () => undefined);
    // Not with `once` of node:events, which rejects at a reset: one is a way of closing, and may come before the
    // connection is known.
    const ended = new Promise<string>((resolve) => socket.once("close", () => resolve(heard)));
    await Promise.race([ended, new Promise<void>((resolve) => socket.once("connect", resolve))]);
    socket.write(first);
    return { socket, ended, heard: () => heard };
  }

  const until = async (isTrue: () => boolean): Promise<void> => {
    while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5));
  };

  const FAST = { headersTimeoutMs: 150, requestTimeoutMs: 300, checkEveryMs: 20 };

  it("closes connections that send nothing", async () => {
    const { url, port } = await serve(FAST);
    const silent = await Promise.all(Array.from({ length: 20 }, () => dial(port)));
    for (const { ended } of silent) expect(await ended).to.match(/^(HTTP\/1.1 408 |$)/);
    expect(await (await fetch(url)).text()).to.equal("ok");
  });

  it("closes a connection that sends its headers a byte at a time", async () => {
    const { port } = await serve({ ...FAST, requestTimeoutMs: 60_000 });
    const { socket, ended } = await dial(port, "GET / HTTP/1.1\r\nHost: localhost\r\nx: ");
    const drip = setInterval(() => socket.write("x"), 10);
    open.push(() => clearInterval(drip));
    expect(await ended).to.match(/^(HTTP\/1.1 408 |$)/);
  });

  it("closes a connection that sends its body a byte at a time", async () => {
    const server = createBoundedServer((request) => request.resume(), createHostCheck("127.0.0.1"), FAST);
    open.push(() => server.close().closeAllConnections());
    const { port } = await listen(server, { host: "127.0.0.1", port: 0 });
    const { socket, ended } = await dial(port, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n");
    const drip = setInterval(() => socket.write("x"), 10);
    open.push(() => clearInterval(drip));
    await ended;
  });

  it("closes a connection that asks and never reads", async () => {
    const body = Buffer.alloc(4_000_000);
    const server = createBoundedServer((_, response) => response.end(body), createHostCheck("127.0.0.1"), {
      idleTimeoutMs: 150,
    });
    open.push(() => server.close().closeAllConnections());
    const { port } = await listen(server, { host: "127.0.0.1", port: 0 });
    const { socket } = await dial(port);
    socket.pause();
    socket.write(ASK.repeat(20));
    let connections = 1;
    do {
      connections = await new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
      await new Promise((resolve) => setTimeout(resolve, 5));
    } while (connections > 0);
  });

  it("refuses connections above its bound, and serves an honest caller once there is room", async () => {
    const { url, port } = await serve({ maxConnections: 10 });
    const holders = await Promise.all(Array.from({ length: 10 }, () => dial(port, ASK)));
    await until(() => holders.every(({ heard }) => heard().endsWith("ok")));
    const refused = await dial(port, ASK);
    expect(await refused.ended).to.equal("");
    for (const { socket } of holders) socket.destroy();
    let answer: string | undefined;
    while (answer === undefined) {
      answer = await fetch(url).then(
        (response) => response.text(),
        () => undefined,
      );
    }
    expect(answer).to.equal("ok");
  });

  it("refuses connections above the bound of one address, and serves another one meanwhile", async () => {
    const { port } = await serve({ maxPerAddress: 5, exempt: () => false });
    const holders = await Promise.all(Array.from({ length: 5 }, () => dial(port, ASK)));
    await until(() => holders.every(({ heard }) => heard().endsWith("ok")));
    expect(await (await dial(port, ASK)).ended).to.equal("");
    const other = await dial(port, ASK, "127.0.0.2");
    await until(() => other.heard().endsWith("ok"));
    // A place that becomes free is used again.
    holders[0]!.socket.destroy();
    let heard = "";
    while (!heard.endsWith("ok")) {
      const next = await dial(port, ASK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
      heard = await next.ended;
    }
  });

  it("does not bound callers from this machine by their address", async () => {
    const { port } = await serve({ maxPerAddress: 1 });
    const all = await Promise.all(Array.from({ length: 20 }, () => dial(port, ASK)));
    await until(() => all.every(({ heard }) => heard().endsWith("ok")));
  });

  it("answers 421 to a name that is not its own, and says what to set", async () => {
    const { port } = await serve({});
    const { ended } = await dial(port, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    expect(await ended).to.match(/^HTTP\/1.1 421 [\s\S]*"error":"[\s\S]*evil\.example[\s\S]*allowedHosts/);
  });

  it("refuses headers above 16 KiB", async () => {
    const { port } = await serve({});
    const { ended } = await dial(port, `GET / HTTP/1.1\r\nHost: localhost\r\nx: ${"x".repeat(20_000)}\r\n\r\n`);
    expect(await ended).to.match(/^(HTTP\/1.1 431 |$)/);
  });
});

describe("connectionsWithin", () => {
  it("leaves a quarter of the process's descriptors", () => {
    expect(connectionsWithin(4_096, 1_024)).to.equal(768);
    expect(connectionsWithin(4_096, 20_000)).to.equal(4_096);
    expect(connectionsWithin(4_096, undefined)).to.equal(4_096);
    expect(connectionsWithin(4_096, 1)).to.equal(1);
  });
});
