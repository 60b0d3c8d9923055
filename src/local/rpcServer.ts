import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createHostCheck } from "../http/names.ts";
import { PortUnavailableError } from "./errors.ts";
import { respond } from "./jsonRpc.ts";
import type { DevelopmentNode, Request } from "./node.ts";
import { type HttpRefusal, serveWebSocket } from "./webSocket.ts";

const HOST = "127.0.0.1";
const checkHost = createHostCheck(HOST);
const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** A JSON-RPC server in front of the development node. */
export type RpcServer = {
  readonly port: number;
  /** Stops listening and drops every open connection. */
  readonly close: () => Promise<void>;
};

/**
 * How long a connection may idle. It is longer than clients keep theirs. If the server closes a connection while the
 * client reuses it, a request that was sent once fails; Node's default of five seconds does that on a busy machine.
 */
const KEEP_ALIVE_MS = 65_000;

/**
 * Serves `request` over HTTP and WebSocket on 127.0.0.1. Hardhat's own server is not used: it crashes the process if
 * the port is taken, does not hand out the chain behind it, and cannot be closed while a client is connected.
 *
 * @throws PortUnavailableError if it cannot listen on the port.
 */
export async function serveRpc(node: DevelopmentNode, request: Request, port: number): Promise<RpcServer> {
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (incoming, outgoing) => {
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
  const closeSockets = serveWebSocket(server, node, request, refusalOf);
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

/**
 * Why a request is not answered: it calls this machine by a name that is not its own, or a page of another machine sent
 * it. Wallets in a browser do not count as pages: their origins have their own schemes.
 */
function refusalOf({ headers: { host, origin } }: IncomingMessage): HttpRefusal | undefined {
  const problem = checkHost(host);
  if (problem !== undefined) return { status: 421, message: problem };
  if (origin === undefined || /^[a-z-]+-extension:\/\//.test(origin)) return undefined;
  const isOwn = URL.canParse(origin) && /^https?:$/.test(new URL(origin).protocol);
  if (isOwn && checkHost(new URL(origin).host) === undefined) return undefined;
  return { status: 403, message: `Pages of ${origin} may not use this chain: only those of this machine may.` };
}

async function handle(request: Request, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const refusal = refusalOf(incoming);
  if (refusal !== undefined) {
    outgoing.writeHead(refusal.status, { "Content-Type": "text/plain", Connection: "close" });
    return void outgoing.end(refusal.message);
  }
  // Pages of this machine may use the chain, as with any development node.
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
