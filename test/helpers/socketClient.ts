/** A WebSocket client of a node, with the messages that came so far. */
export async function openSocket(url: string) {
  const socket = new WebSocket(url);
  const messages: unknown[] = [];
  const waiting: ((message: unknown) => void)[] = [];
  socket.addEventListener("message", ({ data }) => {
    const message: unknown = JSON.parse(String(data));
    const resolve = waiting.shift();
    if (resolve === undefined) messages.push(message);
    else resolve(message);
  });
  const closed = new Promise<boolean>((resolve) => socket.addEventListener("close", () => resolve(true)));
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("error", reject);
  });
  return {
    send: (message: unknown) => socket.send(JSON.stringify(message)),
    next: (): Promise<unknown> =>
      messages.length > 0 ? Promise.resolve(messages.shift()) : new Promise((resolve) => waiting.push(resolve)),
    close: () => socket.close(),
    closed,
  };
}
