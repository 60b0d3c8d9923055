import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { listen, type Place } from "../listen.ts";
import type { Facilitator } from "./facilitator.ts";

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
  { host = "127.0.0.1", port = 4022 }: { readonly host?: string; readonly port?: number } = {},
): Promise<Served> {
  const server = createServer(getRequestListener((request, env) => facilitator.app.fetch(request, env)));
  // Longer than a settlement takes, so that no answer is cut off.
  server.requestTimeout = 30_000;
  server.keepAliveTimeout = 65_000;
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
