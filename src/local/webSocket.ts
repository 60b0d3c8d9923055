import type { IncomingMessage, Server } from "node:http";
import { createRequire } from "node:module";
import { respond } from "./jsonRpc.ts";
import type { DevelopmentNode, Request } from "./node.ts";

/** The part of a `ws` connection that is used here. */
type Socket = {
  on(event: "message", listener: (message: { toString(): string }) => void): void;
  on(event: "close" | "error", listener: () => void): void;
  send(text: string): void;
  terminate(): void;
};

type VerifyClient = (
  info: { readonly req: IncomingMessage },
  done: (isWelcome: boolean, status?: number, message?: string) => void,
) => void;

/** The answer to an HTTP request that is refused. */
export type HttpRefusal = { readonly status: number; readonly message: string };

type SocketServer = {
  on(event: "connection", listener: (socket: Socket) => void): void;
  close(): void;
  readonly clients: ReadonlySet<Socket>;
};

/**
 * Answers JSON-RPC over WebSocket on the same port, with `eth_subscribe`. The package `ws` comes with Hardhat and is
 * resolved from there. A request that `refusalOf` refuses gets no socket. Returns a function that closes every socket.
 */
export function serveWebSocket(
  server: Server,
  node: DevelopmentNode,
  request: Request,
  refusalOf: (incoming: IncomingMessage) => HttpRefusal | undefined,
): () => void {
  const { WebSocketServer } = loadWs();
  const verifyClient: VerifyClient = ({ req }, done) => {
    const refusal = refusalOf(req);
    if (refusal === undefined) done(true);
    else done(false, refusal.status, refusal.message);
  };
  const sockets = new WebSocketServer({ server, verifyClient });
  sockets.on("connection", (socket) => {
    const subscriptions = new Set<string>();
    const unlisten = node.onNotification((params) => {
      if (!subscriptions.has(params.subscription)) return;
      socket.send(JSON.stringify({ jsonrpc: "2.0", method: "eth_subscription", params }));
    });
    const tracked: Request = async (method, params) => {
      const result = await request(method, params);
      if (method === "eth_subscribe" && typeof result === "string") subscriptions.add(result);
      return result;
    };
    socket.on("message", (message) => {
      // If a client left before its answer was ready, that is no failure.
      void respond(tracked, message.toString()).then((text) => socket.send(text));
    });
    socket.on("error", () => socket.terminate());
    socket.on("close", () => {
      unlisten();
      for (const id of subscriptions) void request("eth_unsubscribe", [id]).catch(() => undefined);
    });
  });
  return () => {
    for (const socket of sockets.clients) socket.terminate();
    sockets.close();
  };
}

function loadWs(): { WebSocketServer: new (options: { server: Server; verifyClient: VerifyClient }) => SocketServer } {
  const hardhat = createRequire(import.meta.url).resolve("hardhat/package.json");
  return createRequire(hardhat)("ws");
}
