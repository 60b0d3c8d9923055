import { gather, togetherOrAlone } from "../../async/gather.ts";
import { type Backend, ROWS_PER_TRANSACTION, type Write, withParameters } from "../database/backend.ts";
import { encodeEvidence } from "../database/codec.ts";
import { isOutage } from "../ports/errors.ts";
import type { PaymentJournal, PaymentState } from "../ports/payments.ts";

/** Somebody who asks for the one success of a payment. */
type Asker = {
  readonly id: number;
  readonly nowMs: number;
  readonly bringer: string | null;
  readonly again: boolean;
  /** The evidence that it is told on while it is on its way, as it is stored; undefined for a payment that is paid. */
  readonly on: string | undefined;
};

const columns = { id: "integer", consumed_at_ms: "integer" } as const;

/** The states of a payment that has moved the money, once. */
const PAID: ReadonlySet<PaymentState> = new Set(["settled", "settled-elsewhere"]);
/** The states of a payment that is on its way. */
const MOVING: ReadonlySet<PaymentState> = new Set(["batched", "submitted"]);

/** Consuming paid payments. Those of a batch are consumed at the same moment, so they share a transaction. */
export function createConsume({ write, compile, dialect }: Backend): PaymentJournal["consume"] {
  const find = compile((db) =>
    dialect.lock(
      db
        .selectFrom("payments")
        .select(["id", "state", "evidence", "brought_by", "consumed_at_ms"])
        .where(dialect.isOneOf("id", [0]))
        .orderBy("id"),
      "update",
    ),
  );
  const take = compile((db) =>
    db
      .updateTable("payments")
      .from(dialect.records<{ id: number; consumed_at_ms: number }>([], columns))
      .set(({ ref }) => ({ consumed_at_ms: ref("input.consumed_at_ms") }))
      .whereRef("payments.id", "=", "input.id"),
  );

  async function consumeAll({ db }: Write, askers: readonly Asker[]): Promise<readonly boolean[]> {
    const ids = [...new Set(askers.map(({ id }) => id))];
    const found = await db.executeQuery(withParameters(find, dialect.listParameter(ids)));
    const rows = new Map(found.rows.map((row) => [row.id, row]));
    const taken = new Map<number, number>();
    const answers = askers.map(({ id, nowMs, bringer, again, on }) => {
      const row = rows.get(id);
      if (row === undefined || row.brought_by !== bringer) return false;
      // A transition after the caller has read the evidence would have changed its text.
      const isSuccess = on === undefined ? PAID.has(row.state) : MOVING.has(row.state) && row.evidence === on;
      if (!isSuccess) return false;
      if (row.consumed_at_ms !== null || taken.has(id)) return again && bringer !== null;
      taken.set(id, nowMs);
      return true;
    });
    if (taken.size > 0) {
      const changes = [...taken].map(([id, consumed_at_ms]) => ({ id, consumed_at_ms }));
      await db.executeQuery(withParameters(take, dialect.recordsParameter(changes)));
    }
    return answers;
  }

  const ask = gather<Asker, boolean>(
    (askers) => togetherOrAlone(askers, (some) => write((one) => consumeAll(one, some), some.length), isOutage),
    ROWS_PER_TRANSACTION,
  );
  return (id, nowMs, { bringer = null, again, on } = { bringer: undefined, again: false }) =>
    ask({ id, nowMs, bringer, again, on: on === undefined ? undefined : encodeEvidence(on) });
}
