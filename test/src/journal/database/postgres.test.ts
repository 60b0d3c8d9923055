import { expect } from "chai";
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from "kysely";
import { Client } from "pg";
import { postgresDialect } from "../../../../src/journal/database/dialect.ts";
import { openPostgres } from "../../../../src/journal/database/postgres/backend.ts";
import { fromPostgres } from "../../../../src/journal/database/postgres/errors.ts";
import { payloadsOf } from "../../../../src/journal/database/postgres/listen.ts";
import type { Tables } from "../../../../src/journal/database/tables.ts";
import { JournalError, openJournal } from "../../../../src/journal/index.ts";
import { createJournal } from "../../../../src/journal/journal.ts";
import { selectWithNonce } from "../../../../src/journal/payments/find.ts";
import { sharedPostgres } from "../../../helpers/postgres.ts";
import { until } from "../../../helpers/until.ts";
import { describeJournal } from "../contract.ts";
import { acceptSeeds, stateOf } from "../fixtures.ts";
import { withLaterVersion } from "../laterVersion.ts";

let database: Promise<string> | undefined;
let schemas = 0;

function newSchema(): string {
  schemas += 1;
  return `journal_${schemas}`;
}

function sharedDatabase(): Promise<string> {
  database ??= sharedPostgres().then((server) => server.createDatabase());
  return database;
}

describeJournal("PostgreSQL", async () => ({
  url: await sharedDatabase(),
  options: { schema: newSchema(), poolSize: 5 },
}));

describe("openJournal of a PostgreSQL database", () => {
  const failure = async (url: string, schema = newSchema()): Promise<JournalError> => {
    try {
      const journal = await openJournal(url, { schema });
      await journal.close();
    } catch (error) {
      if (error instanceof JournalError) return error;
      throw error;
    }
    throw new Error("it opened");
  };

  async function query(statement: string): Promise<void> {
    const client = new Client({ connectionString: await sharedDatabase() });
    await client.connect();
    await client.query(statement).finally(() => client.end());
  }

  it("finds a nonce without reading the whole table", async () => {
    const schema = newSchema();
    await (await openJournal(await sharedDatabase(), { schema })).close();
    const compiler = new Kysely<Tables>({
      dialect: {
        createAdapter: () => new PostgresAdapter(),
        createDriver: () => new DummyDriver(),
        createIntrospector: (db) => new PostgresIntrospector(db),
        createQueryCompiler: () => new PostgresQueryCompiler(),
      },
    }).withSchema(schema);
    const { sql, parameters } = selectWithNonce(compiler, postgresDialect(schema), `0x${"1".repeat(64)}`).compile();
    const client = new Client({ connectionString: await sharedDatabase() });
    await client.connect();
    // With an empty table, any other plan would be cheaper.
    await client.query("set enable_seqscan = off");
    const plan = await client.query(`explain ${sql}`, [...parameters]).finally(() => client.end());
    expect(JSON.stringify(plan.rows)).to.include("payments_nonce").and.not.include("Seq Scan");
  });

  it("names neither the password nor the address in any error", async () => {
    const url = new URL(await sharedDatabase());
    const port = url.port;
    url.password = "hunter%202";
    const wrongPassword = await failure(url.href);
    url.port = "1";
    const unreachable = await failure(url.href);
    const unreadable = await failure(`postgres://me:hunter%202@@:${port}:x/y`);
    expect([wrongPassword.kind, unreachable.kind, unreadable.kind]).to.deep.equal([
      "unavailable",
      "unavailable",
      "invalid",
    ]);
    for (const error of [wrongPassword, unreachable, unreadable]) {
      const text = `${error.stack} ${error.cause} ${JSON.stringify(error)}`;
      expect(text).not.to.match(/hunter(%20| )2/);
    }
  });

  it("says that the database is not there", async () => {
    const url = new URL(await sharedDatabase());
    url.pathname = "/nowhere";
    const error = await failure(url.href);
    expect(error.kind).to.equal("unavailable");
    expect(error.details).to.contain("3D000");
  });

  it("upgrades a journal of an earlier version once, with its content, and then refuses that version", async () => {
    const schema = newSchema();
    const url = await sharedDatabase();
    const first = await openJournal(url, { schema });
    const rows = await acceptSeeds(first, 1);
    await first.close();
    for (let time = 0; time < 2; time += 1) {
      const upgraded = createJournal(await openPostgres(url, { poolSize: 2, schema }, withLaterVersion));
      expect(await upgraded.list({ limit: 9 })).to.deep.equal(rows);
      await upgraded.close();
    }
    const error = await failure(url, schema);
    expect(error).to.include({ kind: "newer-version" });
    expect(error.details).to.equal("The journal has schema version 2, this program knows 1.");
  });

  it("refuses a journal of a newer version", async () => {
    const schema = newSchema();
    await (await openJournal(await sharedDatabase(), { schema })).close();
    await query(`insert into ${schema}.schema_version values (999)`);
    expect((await failure(await sharedDatabase(), schema)).kind).to.equal("newer-version");
  });

  it("lets nobody change history", async () => {
    const schema = newSchema();
    const journal = await openJournal(await sharedDatabase(), { schema });
    await acceptSeeds(journal, 1);
    await journal.close();
    for (const statement of [`update ${schema}.history set at_ms = 0`, `delete from ${schema}.history`]) {
      const error = await query(statement).catch((reason: unknown) => reason);
      expect(String(error)).to.contain("append-only");
    }
  });

  it("keeps journals of different schemas apart", async () => {
    const [one, two] = await Promise.all(
      [newSchema(), newSchema()].map(async (schema) => openJournal(await sharedDatabase(), { schema })),
    );
    if (one === undefined || two === undefined) throw new Error();
    await acceptSeeds(one, 1);
    expect(await two.count()).to.deep.equal({});
    await Promise.all([one.close(), two.close()]);
  });

  it("tells another instance about thousands of changes, and again after its connections broke", async () => {
    const schema = newSchema();
    const url = await sharedDatabase();
    const [writer, listener] = [await openJournal(url, { schema }), await openJournal(url, { schema })];
    const heard = new Set<number>();
    listener.onChange((ids) => {
      for (const id of ids) heard.add(id);
    });
    let seed = 0;
    const listens = async () => {
      seed += 1;
      const [row] = await acceptSeeds(writer, seed);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return row !== undefined && heard.has(row.id);
    };
    await until(listens);
    const many = await acceptSeeds(writer, ...Array.from({ length: 3_000 }, (_, index) => 10_000 + index));
    await until(() => many.every(({ id }) => heard.has(id)));

    await (await sharedPostgres()).breakConnections();
    await until(listens);
    expect(await listener.count()).to.deep.equal(await writer.count());
    await Promise.all([writer.close(), listener.close()]);
  });

  it("continues after every connection broke, in the middle of work too", async () => {
    const journal = await openJournal(await sharedDatabase(), { schema: newSchema() });
    const rows = await acceptSeeds(journal, 1);
    await (await sharedPostgres()).breakConnections();
    expect(await stateOf(journal, rows[0] ?? raise())).to.equal("queued");
    const work = Array.from({ length: 200 }, (_, index) =>
      acceptSeeds(journal, index).catch((reason: unknown) => reason),
    );
    await (await sharedPostgres()).breakConnections();
    for (const answer of await Promise.all(work)) {
      // Only a commit whose answer was lost is an error, and says so.
      if (answer instanceof Error) expect(answer).to.be.instanceOf(JournalError).with.property("kind", "indeterminate");
    }
    expect(await acceptSeeds(journal, 1)).to.have.length(1);
    await journal.close();
  });
});

describe("payloadsOf", () => {
  it("splits ids so that each payload fits into a notification", () => {
    expect(payloadsOf([])).to.deep.equal([]);
    expect(payloadsOf([7, 8])).to.deep.equal(["7,8"]);
    const ids = Array.from({ length: 5_000 }, (_, index) => 2 ** 53 - 1 - index);
    const payloads = payloadsOf(ids);
    for (const payload of payloads) expect(Buffer.byteLength(payload)).to.be.lessThan(8_000);
    expect(payloads.join(",").split(",").map(Number)).to.deep.equal(ids);
  });
});

describe("fromPostgres", () => {
  const kindOf = (code: string, committing = false) => {
    const error = fromPostgres(Object.assign(new Error("what"), { code }), "secret", committing);
    return error instanceof JournalError ? error.kind : undefined;
  };

  it("tells a lost commit from a lost connection", () => {
    expect(kindOf("57P01")).to.equal("unavailable");
    expect(kindOf("57P01", true)).to.equal("indeterminate");
    expect(kindOf("ECONNRESET", true)).to.equal("indeterminate");
  });

  it("says what kind of error a code is", () => {
    const kinds = {
      "53100": "full",
      "25006": "read-only",
      "42501": "read-only",
      XX001: "corrupt",
      "40P01": "busy",
      "57014": "busy",
    };
    for (const [code, kind] of Object.entries(kinds)) expect(kindOf(code)).to.equal(kind);
    expect(kindOf("23505")).to.equal("invalid");
    expect(kindOf("42P01")).to.equal("unavailable");
  });

  it("leaves the password out of what the server said", () => {
    const error = fromPostgres(Object.assign(new Error("no secret for you"), { code: "28P01" }), "secret", false);
    expect(String(error)).to.contain("no *** for you");
  });
});

function raise(): never {
  throw new Error("no such row");
}
