import { alarm, type Clock } from "../../clock.ts";
import type { Journal } from "../../journal/ports/journal.ts";
import type { PaymentRow } from "../../journal/ports/payments.ts";
import { EngineClosedError } from "./errors.ts";
import type { SettlementEngine } from "./types.ts";
import type { Enough } from "./waiters.ts";

/** How long a caller waits, and for what. */
type Patience = {
  readonly ms: number;
  readonly signals: readonly (AbortSignal | undefined)[];
  readonly enough?: Enough;
};

/**
 * Waits for a stored payment as long as its caller can wait.
 * @param patience `ms`: the longest wait. `signals`: each ends it when it aborts. `enough`: what the caller waits for.
 * @returns The row once that is enough; undefined if the wait ended, or the engine was closed, before that.
 */
export async function outcomeWithin(
  { engine, clock }: { readonly engine: Pick<SettlementEngine, "outcome">; readonly clock: Clock },
  id: number,
  { ms, signals, enough = "decided" }: Patience,
): Promise<PaymentRow | undefined> {
  const timeout = alarm(clock, ms);
  const signal = AbortSignal.any([timeout.signal, ...signals.filter((one) => one !== undefined)]);
  try {
    return await engine.outcome(id, { signal, enough });
  } catch (error) {
    if (signal.aborted || error instanceof EngineClosedError) return undefined;
    throw error;
  } finally {
    timeout.clear();
  }
}

/**
 * Takes a payment out of the queue whose caller cannot wait any longer.
 * @returns Undefined if it was never sent and never will be, so the payer may sign anew; otherwise its row as it is
 * now.
 */
export async function takeBack(
  {
    engine,
    journal,
  }: { readonly engine: Pick<SettlementEngine, "cancel">; readonly journal: Pick<Journal, "payment"> },
  row: PaymentRow,
): Promise<PaymentRow | undefined> {
  return (await engine.cancel(row.id)) ? undefined : ((await journal.payment(row.id)) ?? row);
}
