import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * A server of a test's own on a free port. Its connections are not closed while they idle: on a busy machine a test stands
 * still for longer than Node's five seconds, and its next request would go into a connection that is just being closed.
 */
export async function listen(handler: RequestListener): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer({ keepAliveTimeout: 600_000 }, handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
