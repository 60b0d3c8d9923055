import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A proxy of a server that can be shut: then connections break, and new ones are refused. */
export type TcpGate = {
  readonly port: number;
  readonly shut: () => Promise<void>;
  readonly open: () => Promise<void>;
};

/** Opens a gate on a free port of 127.0.0.1 before another port of it. */
export async function openTcpGate(behind: number): Promise<TcpGate> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const other = connect(behind, "127.0.0.1");
    for (const one of [socket, other]) {
      sockets.add(one);
      one.on("close", () => sockets.delete(one));
      one.on("error", () => undefined);
    }
    socket.pipe(other).pipe(socket);
  });
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    shut: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
    open: () => listen(port),
  };
}
