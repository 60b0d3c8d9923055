import { once } from "node:events";
import { createServer, type IncomingMessage, request as open, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What happens to a request that a gate is set for: it never arrives, or its answer never does. */
export type Loss = "request" | "answer";

/** A proxy of an HTTP server that can lose messages. */
export type HttpGate = Awaited<ReturnType<typeof openHttpGate>>;

/**
 * Opens a gate on a free port of 127.0.0.1 before the server of `url`. A message that is lost leaves its sender waiting, as
 * long as the sender does: nothing here ends by time.
 */
export async function openHttpGate(url: string) {
  let target = new URL(url);
  let armed: { loss: Loss; matches: (request: IncomingMessage) => boolean; lost: () => void } | undefined;
  const server = createServer((request, response) => {
    const { loss, lost } = armed?.matches(request) === true ? armed : { loss: undefined, lost: () => undefined };
    if (loss !== undefined) armed = undefined;
    if (loss === "request") {
      request.resume().on("end", lost);
      return;
    }
    pass(request, response, loss === "answer" ? lost : undefined);
  });

  function pass(request: IncomingMessage, response: ServerResponse, lost: (() => void) | undefined): void {
    const { method = "GET", headers } = request;
    // If a caller leaves, the server still finishes its work.
    const { hostname: host, port } = target;
    // One connection for each request: a kept one may be closed just when it is used again.
    const onward = open({ host, port, path: request.url, method, headers, agent: false }, (answer) => {
      if (lost !== undefined) answer.resume().on("end", lost);
      else answer.pipe(response.writeHead(answer.statusCode ?? 502, { ...answer.headers, connection: "close" }));
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const shut = (): void => {
    server.closeAllConnections();
    server.close();
  };
  const { pathname, search } = target;
  return {
    /** The URL of the same resource through the gate. */
    url: `http://127.0.0.1:${port}${pathname === "/" ? "" : pathname}${search}`,
    /** Loses the next request that matches, or its answer. Resolves when that has happened. */
    lose: (loss: Loss, matches: (request: IncomingMessage) => boolean = isPaid): Promise<void> =>
      new Promise((resolve) => {
        armed = { loss, matches, lost: resolve };
      }),
    /** Leads to another server from now on. */
    leadTo: (other: string) => {
      target = new URL(other);
    },
    /** Breaks the connections that wait for what was lost. */
    hangUp: () => server.closeAllConnections(),
    shut,
  };
}

/** Whether a request carries a payment. */
function isPaid({ headers }: IncomingMessage): boolean {
  return headers["payment-signature"] !== undefined;
}
