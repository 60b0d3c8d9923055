import { readFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressSet, isLoopback, partyOf, readAddress } from "./addresses.ts";
import type { HostCheck } from "./names.ts";

/** Bounds on a server's connections. */
export type ConnectionBounds = {
  /** Connections at once. Lowered to three quarters of the descriptors that the process may open, if that is less. */
  readonly maxConnections: number;
  /** Connections at once from one address (a /64 of IPv6), unless `exempt` has it. */
  readonly maxPerAddress: number;
  /** Addresses without the bound `maxPerAddress`, since many callers come from each. Default: loopback. */
  readonly exempt: AddressSet;
  /** Time from a connection, or from the start of a request, to the end of the request's headers. */
  readonly headersTimeoutMs: number;
  /** The same, to the end of the request's body. */
  readonly requestTimeoutMs: number;
  /** How long a connection may stay open between requests. */
  readonly keepAliveTimeoutMs: number;
  /** How long a connection may carry nothing in either direction. Waiting for an answer counts. */
  readonly idleTimeoutMs: number;
  /** How often the server looks for connections that are over `headersTimeoutMs` or `requestTimeoutMs`. */
  readonly checkEveryMs: number;
};

export const DEFAULT_CONNECTION_BOUNDS: ConnectionBounds = {
  maxConnections: 4_096,
  maxPerAddress: 256,
  exempt: isLoopback,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 65_000,
  // Longer than the longest wait for a settlement, which is 85 s.
  idleTimeoutMs: 120_000,
  checkEveryMs: 5_000,
};

/**
 * An HTTP server that slow, many or misled callers cannot exhaust. Connections are bounded in number and time. A
 * request by a name that `checkHost` refuses is answered 421, before anything else of it is looked at. Headers have at
 * most 16 KiB.
 */
export function createBoundedServer(
  listener: RequestListener,
  checkHost: HostCheck,
  change: Partial<ConnectionBounds> = {},
): Server {
  const bounds = { ...DEFAULT_CONNECTION_BOUNDS, ...change };
  const server = createServer(
    {
      headersTimeout: bounds.headersTimeoutMs,
      requestTimeout: bounds.requestTimeoutMs,
      keepAliveTimeout: bounds.keepAliveTimeoutMs,
      connectionsCheckingInterval: bounds.checkEveryMs,
      maxHeaderSize: 16_384,
    },
    (request, response) => {
      const problem = checkHost(request.headers.host);
      if (problem === undefined) return listener(request, response);
      response.writeHead(421, { "Content-Type": "application/json", Connection: "close" });
      response.end(JSON.stringify({ error: problem }));
    },
  );
  server.timeout = bounds.idleTimeoutMs;
  server.maxConnections = connectionsWithin(bounds.maxConnections, openFilesLimit());
  const counts = new Map<string, number>();
  server.on("connection", (socket) => {
    const address = readAddress(socket.remoteAddress ?? "");
    if (address === undefined || bounds.exempt(address)) return;
    const party = partyOf(address);
    const count = (counts.get(party) ?? 0) + 1;
    if (count > bounds.maxPerAddress) return void socket.destroy();
    counts.set(party, count);
    socket.once("close", () => {
      const left = (counts.get(party) ?? 1) - 1;
      if (left === 0) counts.delete(party);
      else counts.set(party, left);
    });
  });
  return server;
}

/**
 * Lowers the connections asked for, so that a quarter of the process's descriptors is left for its journal and its
 * node.
 */
export function connectionsWithin(asked: number, openFiles: number | undefined): number {
  return openFiles === undefined ? asked : Math.max(1, Math.min(asked, Math.floor((openFiles * 3) / 4)));
}

/** How many descriptors the process may open; undefined if the system does not say. */
function openFilesLimit(): number | undefined {
  try {
    const soft = /^Max open files\s+([0-9]+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}
