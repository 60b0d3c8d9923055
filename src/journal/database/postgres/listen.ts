import { Client, type ClientConfig } from "pg";

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 10_000;

export type Listening = {
  readonly add: (listener: (paymentIds: readonly number[]) => void) => () => void;
  readonly close: () => Promise<void>;
};

/**
 * Listens for changed payments on a connection of its own. It connects when the first listener comes, and again after a
 * break. Notifications in between are missed, so listeners poll now and then.
 */
export function listen(config: ClientConfig, channel: string): Listening {
  const listeners = new Set<(paymentIds: readonly number[]) => void>();
  let client: Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let delayMs = FIRST_DELAY_MS;
  let started = false;
  let closed = false;

  async function connect(): Promise<void> {
    timer = undefined;
    const mine = new Client(config);
    client = mine;
    const lost = () => {
      if (client !== mine) return;
      client = undefined;
      mine.end().catch(() => undefined);
      if (closed) return;
      timer = setTimeout(() => void connect(), delayMs);
      delayMs = Math.min(delayMs * 2, LONGEST_DELAY_MS);
    };
    mine.on("error", lost);
    mine.on("end", lost);
    mine.on("notification", ({ payload }) => {
      const ids = (payload ?? "").split(",").map(Number).filter(Number.isSafeInteger);
      for (const listener of listeners) listener(ids);
    });
    try {
      await mine.connect();
      await mine.query(`listen ${mine.escapeIdentifier(channel)}`);
      delayMs = FIRST_DELAY_MS;
    } catch {
      lost();
    }
  }

  return {
    add: (listener) => {
      listeners.add(listener);
      if (!started && !closed) {
        started = true;
        void connect();
      }
      return () => listeners.delete(listener);
    },
    close: async () => {
      closed = true;
      clearTimeout(timer);
      const last = client;
      client = undefined;
      await last?.end().catch(() => undefined);
    },
  };
}

/** Ids as notification payloads, each below PostgreSQL's limit of 8000 bytes. */
export function payloadsOf(paymentIds: readonly number[]): string[] {
  const payloads: string[] = [];
  let current = "";
  for (const id of paymentIds) {
    const next = current === "" ? `${id}` : `${current},${id}`;
    if (next.length < 7_900) {
      current = next;
      continue;
    }
    payloads.push(current);
    current = `${id}`;
  }
  return current === "" ? payloads : [...payloads, current];
}
