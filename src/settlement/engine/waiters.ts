import { isDecided, isPreconfirmed, type PaymentRow } from "../../journal/ports/payments.ts";

/** What a caller waits for: that a payment is decided, or preconfirmed at least. */
export type Enough = "decided" | "preconfirmed";

/** Callers that wait for payments. */
export type Waiters = {
  /** Resolves with the payment's row once that is enough; rejects with the signal's reason when that aborts. */
  readonly wait: (row: PaymentRow, signal?: AbortSignal, enough?: Enough) => Promise<PaymentRow>;
  /** Tells those who wait for a payment, if it is enough for them now. */
  readonly note: (row: PaymentRow) => void;
  /** The payments that somebody waits for. */
  readonly ids: () => number[];
  /** Rejects everybody who waits, now and from now on. */
  readonly fail: (error: Error) => void;
};

export function createWaiters(): Waiters {
  type Waiter = {
    readonly enough: Enough;
    readonly resolve: (row: PaymentRow) => void;
    readonly reject: (error: unknown) => void;
  };
  const waiting = new Map<number, Set<Waiter>>();
  let failure: Error | undefined;

  return {
    wait: (row, signal, enough = "decided") =>
      new Promise((resolve, reject) => {
        if (isEnough(row, enough)) return resolve(row);
        if (signal?.aborted === true) return reject(signal.reason);
        if (failure !== undefined) return reject(failure);
        const all = waiting.get(row.id) ?? new Set();
        waiting.set(row.id, all);
        const abort = (): void => {
          all.delete(waiter);
          if (all.size === 0) waiting.delete(row.id);
          reject(signal?.reason);
        };
        // A signal may live much longer than this wait.
        const free = (): void => signal?.removeEventListener("abort", abort);
        const waiter: Waiter = {
          enough,
          resolve: (decided) => {
            free();
            resolve(decided);
          },
          reject: (error) => {
            free();
            reject(error);
          },
        };
        all.add(waiter);
        signal?.addEventListener("abort", abort, { once: true });
      }),
    note: (row) => {
      const all = waiting.get(row.id);
      if (all === undefined) return;
      for (const waiter of all) {
        if (!isEnough(row, waiter.enough)) continue;
        all.delete(waiter);
        waiter.resolve(row);
      }
      if (all.size === 0) waiting.delete(row.id);
    },
    ids: () => [...waiting.keys()],
    fail: (error) => {
      failure = error;
      const all = [...waiting.values()];
      waiting.clear();
      for (const one of all) for (const { reject } of one) reject(error);
    },
  };
}

function isEnough(row: PaymentRow, enough: Enough): boolean {
  return isDecided(row) || (enough === "preconfirmed" && isPreconfirmed(row));
}
