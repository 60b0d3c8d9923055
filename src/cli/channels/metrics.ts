import type { ServerResponse } from "node:http";
import { ListenError, listen } from "../../http/listen.ts";
import { createHostCheck } from "../../http/names.ts";
import { createBoundedServer } from "../../http/server.ts";
import type { KeeperMetrics } from "../../keeper/index.ts";
import { UsageError } from "../exit/errors.ts";

export type ServedMetrics = { readonly url: string; readonly close: () => Promise<void> };

/**
 * Serves `GET /metrics` and nothing else.
 * @throws UsageError if it cannot listen on the address.
 */
export async function serveMetrics(
  metrics: KeeperMetrics,
  where: { readonly host: string; readonly port: number; readonly allowedHosts?: readonly string[] | undefined },
): Promise<ServedMetrics> {
  const server = createBoundedServer(
    (request, response) => {
      const isAsked = request.method === "GET" && request.url?.split("?")[0] === "/metrics";
      void (isAsked ? answer(metrics, response) : response.writeHead(404).end());
    },
    createHostCheck(where.host, where.allowedHosts),
    { maxConnections: 64 },
  );
  const { url } = await listen(server, where).catch((error: unknown) => {
    if (!(error instanceof ListenError)) throw error;
    throw new UsageError(error.shortMessage, { hint: "Pass --metrics-port 0 for a free port.", cause: error });
  });
  return {
    url: `${url}/metrics`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(metrics: KeeperMetrics, response: ServerResponse): Promise<void> {
  try {
    const { contentType, body } = await metrics.render();
    response.writeHead(200, { "content-type": contentType }).end(body);
  } catch {
    // The keeper itself reports what is wrong.
    response.writeHead(503).end();
  }
}
