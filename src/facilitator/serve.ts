import { getRequestListener } from "@hono/node-server";
import { isLoopback } from "../http/addresses.ts";
import { listen, type Place } from "../http/listen.ts";
import { createHostCheck } from "../http/names.ts";
import { type ConnectionBounds, createBoundedServer } from "../http/server.ts";
import type { Facilitator } from "./facilitator.ts";

/** Where to serve a facilitator, and for whom. */
export type ServeOptions = {
  /** The address to listen on; 127.0.0.1 by default, which answers this machine only. */
  readonly host?: string;
  /** The port; 4022 by default, 0 for a free one. */
  readonly port?: number;
  /**
   * Names that the Host header of a request may have, besides `localhost` and `host`; "*" for any. Others are answered with 421.
   * If `host` is reachable from other machines, IP addresses and names of private networks need not be listed.
   */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Bounds on connections. By default 4,096 at once, and 256 from one address. */
  readonly connections?: Partial<ConnectionBounds> | undefined;
};

/** Where a facilitator is served. */
export type Served = Place & {
  /** Stops the facilitator, sends its last answers, and closes the server. */
  readonly close: (options?: { readonly graceMs?: number }) => Promise<void>;
};

/**
 * Serves a facilitator over HTTP.
 * @throws ListenError if the port is taken, or `host` is not an address of this machine.
 */
export async function serveFacilitator(
  facilitator: Facilitator,
  { host = "127.0.0.1", port = 4022, allowedHosts = [], connections }: ServeOptions = {},
): Promise<Served> {
  const server = createBoundedServer(
    getRequestListener((request, env) => facilitator.app.fetch(request, env)),
    createHostCheck(host, allowedHosts),
    { exempt: (address) => isLoopback(address) || facilitator.isTrustedProxy(address), ...connections },
  );
  const place = await listen(server, { host, port });
  return {
    ...place,
    close: async (options) => {
      await facilitator.close(options);
      const ended = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      setTimeout(() => server.closeAllConnections(), 1_000).unref();
      await ended;
    },
  };
}
