import { isDecided, type PaymentRow } from "../../journal/ports/payments.ts";

/** Callers that wait for payments to be decided. */
export type Waiters = {
  /** Resolves with the payment's row once it is decided; rejects with the signal's reason when that aborts. */
  readonly wait: (row: PaymentRow, signal?: AbortSignal) => Promise<PaymentRow>;
  /** Tells those who wait for a payment, if it is decided now. */
  readonly note: (row: PaymentRow) => void;
  /** The payments that somebody waits for. */
  readonly ids: () => number[];
  /** Rejects everybody who waits, now and from now on. */
  readonly fail: (error: Error) => void;
};

export function createWaiters(): Waiters {
  type Waiter = { readonly resolve: (row: PaymentRow) => void; readonly reject: (error: unknown) => void };
  const waiting = new Map<number, Set<Waiter>>();
  let failure: Error | undefined;

  return {
    wait: (row, signal) =>
      new Promise((resolve, reject) => {
        if (isDecided(row)) return resolve(row);
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
      if (!isDecided(row)) return;
      const all = waiting.get(row.id);
      waiting.delete(row.id);
      for (const { resolve } of all ?? []) resolve(row);
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
