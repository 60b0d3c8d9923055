// Reads a journal's tables for the oracle, by plain SQL.
import { DatabaseSync } from "node:sqlite";
import { Client } from "pg";

export type Terms = {
  readonly from: string;
  readonly to: string;
  readonly value: bigint;
  readonly nonce: string;
};

/** Evidence as the journal holds it: numbers of any size are decimal text. */
export type Evidence = Readonly<Record<string, string | number | boolean | null>>;

export type JournalPayment = {
  readonly id: number;
  readonly identity: string;
  /** Undefined for a call. */
  readonly terms: Terms | undefined;
  /** For a call, the recipient and the amount of its transfer. */
  readonly call: { readonly to: string; readonly value: bigint } | undefined;
  readonly state: string;
  readonly reason: string | null;
  readonly evidence: Evidence;
  readonly batchId: string | null;
  readonly deadline: bigint;
  readonly acceptedBlock: number;
  readonly source: string | null;
};

export type JournalAttempt = {
  readonly hash: string;
  readonly raw: string;
  readonly kind: string;
  readonly paymentIds: readonly number[];
};

export type JournalBatch = {
  readonly id: string;
  readonly txNonce: number;
  readonly state: string;
  readonly attempts: readonly JournalAttempt[];
};

export type JournalStep = {
  readonly id: number;
  readonly paymentId: number;
  readonly from: string | null;
  readonly to: string;
  readonly evidence: Evidence;
};

export type Journal = {
  readonly payments: readonly JournalPayment[];
  readonly batches: readonly JournalBatch[];
  readonly history: readonly JournalStep[];
};

type Row = Readonly<Record<string, unknown>>;
type Query = (statement: string) => Promise<readonly Row[]>;

/** Reads a journal: a file of SQLite, or a PostgreSQL database at a `postgres://` address. */
export async function readJournal(where: string): Promise<Journal> {
  if (where.startsWith("postgres://")) {
    const client = new Client({ connectionString: where, options: "-c search_path=tributary" });
    await client.connect();
    try {
      return await readTables(async (statement) => (await client.query<Row>(statement)).rows);
    } finally {
      await client.end();
    }
  }
  const database = new DatabaseSync(where, { readOnly: true });
  try {
    return await readTables(async (statement) => database.prepare(statement).all());
  } finally {
    database.close();
  }
}

async function readTables(all: Query): Promise<Journal> {
  const attempts = await all("select batch_id, hash, raw, kind, payment_ids from attempts order by id");
  const payments = await all("select * from payments order by id");
  const batches = await all("select id, tx_nonce, state from batches order by tx_nonce, created_at_ms");
  const history = await all("select * from history order by id");
  return {
    payments: payments.map((row) => {
      const work = JSON.parse(String(row.work));
      return {
        id: Number(row.id),
        identity: String(row.identity),
        terms: work.kind === "authorization" ? termsOf(work.authorization) : undefined,
        call: work.kind === "call" ? callOf(work.data) : undefined,
        state: String(row.state),
        reason: textOrNull(row.reason),
        evidence: JSON.parse(String(row.evidence)),
        batchId: textOrNull(row.batch_id),
        deadline: BigInt(String(row.deadline)),
        acceptedBlock: Number(row.accepted_block),
        source: textOrNull(row.source),
      };
    }),
    batches: batches.map((row) => ({
      id: String(row.id),
      txNonce: Number(row.tx_nonce),
      state: String(row.state),
      attempts: attempts
        .filter(({ batch_id }) => batch_id === row.id)
        .map(({ hash, raw, kind, payment_ids }) => ({
          hash: String(hash),
          raw: String(raw),
          kind: String(kind),
          paymentIds: JSON.parse(String(payment_ids)),
        })),
    })),
    history: history.map((row) => ({
      id: Number(row.id),
      paymentId: Number(row.payment_id),
      from: textOrNull(row.from_state),
      to: String(row.to_state),
      evidence: JSON.parse(String(row.evidence)),
    })),
  };
}

function textOrNull(value: unknown): string | null {
  return value === null ? null : String(value);
}

function termsOf(authorization: Readonly<Record<string, string>>): Terms {
  const { from = "", to = "", value = "0", nonce = "" } = authorization;
  return { from: from.toLowerCase(), to: to.toLowerCase(), value: BigInt(value), nonce: nonce.toLowerCase() };
}

/** A call of `transfer(address,uint256)`: selector, recipient, amount. */
function callOf(data: string): { to: string; value: bigint } {
  return { to: `0x${data.slice(34, 74).toLowerCase()}`, value: BigInt(`0x${data.slice(74, 138)}`) };
}
