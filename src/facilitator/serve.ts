import { getRequestListener } from "@hono/node-server";
import { isLoopback } from "../http/addresses.ts";
import { listen, type Place } from "../http/listen.ts";
import { createHostCheck } from "../http/names.ts";
import { type ConnectionBounds, createBoundedServer } from "../http/server.ts";
import type { Facilitator } from "./facilitator.ts";

export type ServeOptions = {
  /** The address to listen on; 127.0.0.1 by default, which answers this machine only. */
  readonly host?: string;
  /** The port; 4022 by default, 0 for a free one. */
  readonly port?: number;
  /**
   * Names beside `localhost` and `host` that requests may have in their header Host; "*" for any. Others are answered 421. On an
   * address beyond this machine, IP addresses and names of private networks are served without being named here.
   */
  readonly allowedHosts?: readonly string[] | undefined;
  /** What connections may take: 4,096 of them at once by default, 256 from one address. */
  readonly connections?: Partial<ConnectionBounds> | undefined;
};

export type Served = Place & {
  /** Stops the facilitator, lets its last answers out, and ends the server. */
  readonly close: (options?: { readonly graceMs?: number }) => Promise<void>;
};

/**
 * Serves a facilitator over HTTP.
 * @throws ListenError where the port is taken, or the host is none of this machine's.
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
