import { createServer, type Server } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { TributaryError } from "../errors.ts";
import type { Facilitator } from "./facilitator.ts";

/** The address to listen on is not to be had. */
export class ListenError extends TributaryError {
  override readonly name = "ListenError";
}

export type Served = {
  readonly url: string;
  readonly port: number;
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

/**
 * Lets a server listen, on a free port where that is 0.
 * @throws ListenError where the port is taken, or the host is none of this machine's.
 */
export async function listen(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<Pick<Served, "url" | "port">> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const taken = cause.code === "EADDRINUSE";
      reject(
        new ListenError(taken ? `Port ${port} of ${host} is taken.` : `Cannot listen on ${host}:${port}.`, {
          hint: taken ? "Stop what listens there, or choose another port." : "Check the host and the port.",
          ...(cause.code === undefined ? {} : { details: cause.code }),
        }),
      );
    });
    server.listen(port, host, resolve);
  });
  const address = server.address();
  const actual = typeof address === "object" && address !== null ? address.port : port;
  return { url: `http://${host.includes(":") ? `[${host}]` : host}:${actual}`, port: actual };
}
