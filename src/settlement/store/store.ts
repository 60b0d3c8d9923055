import { type Accepted, acceptAll } from "./accept.ts";
import type { Backend } from "./backend.ts";
import { batchMethods } from "./batches.ts";
import { channelMethods } from "./channels.ts";
import { StoreError, type StoreErrorKind } from "./errors.ts";
import { gather, togetherOrAlone } from "./gather.ts";
import { leaseMethods } from "./leases.ts";
import { createLifecycle } from "./lifecycle.ts";
import { noteMethods } from "./notes.ts";
import { paymentMethods } from "./payments.ts";
import { type AcceptedPayment, acceptedPayment } from "./rows.ts";
import { surveyMethods } from "./survey.ts";
import { applyTransitions, prepareTransition } from "./transitions.ts";
import type { Store } from "./types.ts";

/** So many payments of concurrent `accept` calls share a transaction. */
const MAX_GATHERED = 1_000;

/** Errors that have nothing to do with the payments of one call. */
const concerningAll: ReadonlySet<StoreErrorKind> = new Set(["busy", "unavailable", "indeterminate", "closed"]);

/** The store's methods on a database. */
export function createStore(backend: Backend): Store {
  const { track, close } = createLifecycle();
  const tracked: Backend = {
    ...backend,
    read: (query) => track(() => backend.read(query)),
    write: (operation) => track(() => backend.write(operation)),
    readOne: (statement) => track(() => backend.readOne(statement)),
    writeOne: (statement) => track(() => backend.writeOne(statement)),
  };

  // Concurrent calls share their statements, not only their commit.
  const accept = gather<readonly AcceptedPayment[], readonly Accepted[]>(
    (calls) =>
      togetherOrAlone(
        calls,
        async (group) => {
          const accepted = await backend.write((transaction) => acceptAll(transaction, group.flat()));
          let start = 0;
          return group.map((call) => {
            start += call.length;
            return accepted.slice(start - call.length, start);
          });
        },
        (error) => error instanceof StoreError && concerningAll.has(error.kind),
      ),
    MAX_GATHERED,
    (call) => call.length,
  );

  return {
    accept: async (payments, nowMs) => {
      if (payments.length === 0) return [];
      return track(() => accept(payments.map((payment) => acceptedPayment(payment, nowMs))));
    },
    transition: async (transitions, nowMs) => {
      const prepared = transitions.map(prepareTransition);
      return prepared.length === 0
        ? []
        : tracked.write((transaction) => applyTransitions(transaction, prepared, nowMs));
    },
    ...paymentMethods(tracked),
    ...leaseMethods(tracked),
    ...batchMethods(tracked),
    ...noteMethods(tracked),
    ...surveyMethods(tracked),
    ...channelMethods(tracked),
    onChange: backend.onChange,
    close: () => close(backend.close),
  };
}
