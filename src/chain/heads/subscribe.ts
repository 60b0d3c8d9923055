import { createPublicClient, webSocket } from "viem";
import { alarm, type Clock } from "../../clock.ts";
import { TributaryError } from "../../errors.ts";

export type HeadListener = {
  /** Called with the number of each block. */
  readonly onHead: (number: bigint) => void;
  /** Called once if the subscription ends by itself. */
  readonly onLost: () => void;
  readonly clock: Clock;
  /** Ends the wait for the node. */
  readonly signal: AbortSignal;
};

/** How long the node may take to open the socket and the subscription. */
const OPEN_MS = 10_000;

/**
 * Subscribes to the new blocks of a node (`eth_subscribe`, `newHeads`).
 * @param url A WebSocket URL (`ws:`, `wss:`).
 * @returns Ends the subscription, and with the last one of a URL its socket.
 * @throws If the node cannot be reached, does not answer, or does not support subscriptions.
 */
export async function subscribeHeads(
  url: string,
  { onHead, onLost, clock, signal }: HeadListener,
): Promise<() => void> {
  const { transport } = createPublicClient({ transport: webSocket(url, { reconnect: false, retryCount: 0 }) });
  let isOver = false;
  const subscription = transport.subscribe({
    params: ["newHeads"],
    // viem's type says a response, but the value is the parameters of the notification.
    onData: (notification: unknown) => {
      const { result } = notification as { readonly result?: { readonly number?: unknown } | null };
      const number = result?.number;
      if (!isOver && typeof number === "string" && /^0x[0-9a-f]{1,16}$/i.test(number)) onHead(BigInt(number));
    },
    onError: () => {
      if (!isOver) onLost();
    },
  });
  let id: string | undefined;
  const subscribed = subscription.then(({ subscriptionId }) => {
    id = subscriptionId;
  });
  const end = (): void => {
    isOver = true;
    // viem keeps one socket for all who use the same URL.
    transport.getRpcClient().then((rpc) => {
      if (id !== undefined) rpc.subscriptions.delete(id);
      if (rpc.subscriptions.size === 0) rpc.close();
    }, noop);
  };
  const late = alarm(clock, OPEN_MS);
  try {
    await unless(subscribed, late.signal, signal);
    return end;
  } catch (error) {
    end();
    throw error;
  } finally {
    late.clear();
  }
}

/** Rejects if one of the signals aborts before the promise has settled. */
async function unless<T>(promise: Promise<T>, late: AbortSignal, signal: AbortSignal): Promise<T> {
  let stop = noop;
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(new TributaryError("The node did not open a subscription in time."));
  });
  for (const one of [late, signal]) one.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([promise, stopped]);
  } finally {
    for (const one of [late, signal]) one.removeEventListener("abort", stop);
  }
}

const noop = (): void => undefined;
