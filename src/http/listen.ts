import type { Server } from "node:http";
import { TributaryError } from "../errors.ts";

/** The server cannot listen on its address. */
export class ListenError extends TributaryError {
  override readonly name = "ListenError";
}

/** Where a server is reached. */
export type Place = { readonly url: string; readonly port: number };

/**
 * Lets a server listen. Port 0 picks a free one.
 * @throws ListenError if the port is taken, or the host is none of this machine's.
 */
export async function listen(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<Place> {
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
