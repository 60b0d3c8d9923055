import { gather, togetherOrAlone } from "../async/gather.ts";
import { chunks } from "../lists.ts";
import { catalogueMethods } from "./catalogue.ts";
import { channelMethods } from "./channels/channels.ts";
import { keeperCallMethods } from "./channels/keeperCalls.ts";
import { ledgerMethods } from "./channels/ledger.ts";
import { type Backend, ROWS_PER_TRANSACTION } from "./database/backend.ts";
import { watchWrites } from "./database/health.ts";
import { createLifecycle } from "./database/lifecycle.ts";
import { noteMethods } from "./notes.ts";
import { type Accepted, acceptAll } from "./payments/accept.ts";
import { createConsume } from "./payments/consume.ts";
import { findMethods } from "./payments/find.ts";
import { queueMethods } from "./payments/queue.ts";
import { type AcceptedPayment, acceptedPayment } from "./payments/rows.ts";
import { applyTransitions, prepareTransition } from "./payments/transitions.ts";
import { JournalError, type JournalErrorKind } from "./ports/errors.ts";
import type { Journal } from "./ports/journal.ts";
import { batchMethods } from "./sending/batches.ts";
import { leaseMethods } from "./sending/leases.ts";
import { strikeMethods } from "./sending/strikes.ts";

/** Errors that do not depend on the payments of one call. */
const concerningAll: ReadonlySet<JournalErrorKind> = new Set(["busy", "unavailable", "indeterminate", "closed"]);

/** The journal's methods on a database. */
export function createJournal(database: Backend): Journal {
  const { backend, methods } = watchWrites(database);
  const { track, close } = createLifecycle();
  const tracked: Backend = {
    ...backend,
    read: (query) => track(() => backend.read(query)),
    write: (operation, rows) => track(() => backend.write(operation, rows)),
    readOne: (statement) => track(() => backend.readOne(statement)),
    writeOne: (statement) => track(() => backend.writeOne(statement)),
  };

  // Concurrent calls share their statements, not only the commit.
  const accept = gather<readonly AcceptedPayment[], readonly Accepted[]>(
    (calls) =>
      togetherOrAlone(
        calls,
        async (group) => {
          const payments = group.flat();
          const accepted = await backend.write((transaction) => acceptAll(transaction, payments), payments.length);
          let start = 0;
          return group.map((call) => {
            start += call.length;
            return accepted.slice(start - call.length, start);
          });
        },
        (error) => error instanceof JournalError && concerningAll.has(error.kind),
      ),
    ROWS_PER_TRANSACTION,
    { weight: (call) => call.length },
  );

  const consume = createConsume(backend);

  return {
    accept: async (payments, nowMs) => {
      if (payments.length === 0) return [];
      const rows = payments.map((payment) => acceptedPayment(payment, nowMs));
      return track(() => inPieces(rows, accept));
    },
    transition: async (transitions, nowMs) =>
      inPieces(transitions.map(prepareTransition), (some) =>
        tracked.write((transaction) => applyTransitions(transaction, some, nowMs), some.length),
      ),
    consume: (...asked) => track(() => consume(...asked)),
    ...findMethods(tracked),
    ...queueMethods(tracked),
    ...batchMethods(tracked),
    ...leaseMethods(tracked),
    ...strikeMethods(tracked),
    ...noteMethods(tracked),
    ...channelMethods(tracked),
    ...ledgerMethods(tracked),
    ...keeperCallMethods(tracked),
    ...catalogueMethods(tracked),
    fault: methods.fault,
    probe: () => track(methods.probe),
    onChange: backend.onChange,
    close: () => close(backend.close),
  };
}

/** Works on `items` in pieces that fit a transaction, one after the other. */
async function inPieces<I, O>(items: readonly I[], work: (some: readonly I[]) => Promise<readonly O[]>): Promise<O[]> {
  const done: O[] = [];
  for (const some of chunks(items, ROWS_PER_TRANSACTION)) for (const one of await work(some)) done.push(one);
  return done;
}
