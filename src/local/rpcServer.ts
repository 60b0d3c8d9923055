import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { PortUnavailableError } from "./errors.ts";
import { respond } from "./jsonRpc.ts";
import type { DevelopmentNode, Request } from "./node.ts";
import { serveWebSocket } from "./webSocket.ts";

const HOST = "127.0.0.1";
const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** A JSON-RPC server in front of the development node. */
export type RpcServer = {
  readonly port: number;
  /** Stops listening and drops every open connection. */
  readonly close: () => Promise<void>;
};

/**
 * Serves `request` over HTTP and WebSocket on 127.0.0.1. Hardhat's own server is not used: it crashes the process when
 * the port is taken, does not hand out the chain behind it, and cannot be closed while a client is connected.
 *
 * @throws PortUnavailableError if the port cannot be had.
 */
export async function serveRpc(node: DevelopmentNode, request: Request, port: number): Promise<RpcServer> {
  const server = createServer((incoming, outgoing) => {
    handle(request, incoming, outgoing).catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    const fail = (cause: unknown): void => reject(new PortUnavailableError(port, cause));
    server.once("error", fail);
    server.listen(port, HOST, () => {
      server.off("error", fail);
      resolve();
    });
  });
  const closeSockets = serveWebSocket(server, node, request);
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      closeSockets();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function handle(request: Request, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  // Pages in a browser may use the chain, as they may use any development node.
  outgoing.setHeader("Access-Control-Allow-Origin", "*");
  outgoing.setHeader("Access-Control-Allow-Headers", "*");
  if (incoming.method === "OPTIONS") return void outgoing.writeHead(204).end();
  if (incoming.method !== "POST") return void outgoing.writeHead(405, { Allow: "POST, OPTIONS" }).end();

  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) return void outgoing.writeHead(413, { Connection: "close" }).end();
    chunks.push(chunk);
  }
  const body = await respond(request, Buffer.concat(chunks).toString("utf8"));
  outgoing.writeHead(200, { "Content-Type": "application/json" }).end(body);
}
