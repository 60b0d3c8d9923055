import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from "kysely";
import { sqliteDialect } from "../../../../src/journal/database/dialect.ts";
import { openSqlite } from "../../../../src/journal/database/sqlite/backend.ts";
import type { Tables } from "../../../../src/journal/database/tables.ts";
import { JournalError, type JournalOptions, openJournal } from "../../../../src/journal/index.ts";
import { createJournal } from "../../../../src/journal/journal.ts";
import { selectWithNonce } from "../../../../src/journal/payments/find.ts";
import { idOf, recordOf } from "../../../helpers/channelRecords.ts";
import { describeJournal } from "../contract.ts";
import { acceptSeeds, chainId, hashOf, lease, paymentOf, stateOf, takeOver } from "../fixtures.ts";
import { withLaterVersion } from "../laterVersion.ts";

const folder = mkdtempSync(join(tmpdir(), "tributary-journal-"));
let files = 0;
function newFile(): string {
  files += 1;
  return join(folder, `${files}.db`);
}

describeJournal("a SQLite file", async () => ({ url: newFile(), options: {} }));

describe("openJournal of a SQLite file", () => {
  after(() => rmSync(folder, { recursive: true, force: true }));

  const failure = async (url: string, options: JournalOptions = {}): Promise<JournalError> => {
    try {
      const journal = await openJournal(url, options);
      await journal.close();
    } catch (error) {
      if (error instanceof JournalError) return error;
      throw error;
    }
    throw new Error("it opened");
  };

  it("makes the folder and a file that only its owner can read", async () => {
    const path = join(folder, "a", "b", "journal.db");
    const journal = await openJournal(path);
    await acceptSeeds(journal, 1);
    for (const suffix of ["", "-wal", "-shm"]) expect(statSync(path + suffix).mode & 0o777).to.equal(0o600);
    expect(statSync(join(folder, "a")).mode & 0o777).to.equal(0o700);
    await journal.close();
  });

  it("writes ahead and waits for the disk", async () => {
    const path = newFile();
    await (await openJournal(path)).close();
    const database = new DatabaseSync(path);
    expect({ ...database.prepare("pragma journal_mode").get() }).to.deep.equal({ journal_mode: "wal" });
    database.close();
    const worker = readFileSync(new URL("../../../../src/journal/database/sqlite/worker.ts", import.meta.url), "utf8");
    expect(worker).to.contain("pragma synchronous = full");
  });

  it("takes a path, sqlite: before it, or a file: URL", async () => {
    const path = newFile();
    const journal = await openJournal(path);
    await acceptSeeds(journal, 1);
    await journal.close();
    for (const url of [`sqlite:${path}`, `sqlite://${path}`, pathToFileURL(path).href]) {
      const again = await openJournal(url);
      expect(await again.count()).to.deep.equal({ queued: 1 });
      await again.close();
    }
  });

  it("finds a nonce without reading the whole table", async () => {
    const path = newFile();
    await (await openJournal(path)).close();
    const compiler = new Kysely<Tables>({
      dialect: {
        createAdapter: () => new SqliteAdapter(),
        createDriver: () => new DummyDriver(),
        createIntrospector: (db) => new SqliteIntrospector(db),
        createQueryCompiler: () => new SqliteQueryCompiler(),
      },
    });
    const query = selectWithNonce(compiler, sqliteDialect, hashOf(1)).compile();
    const database = new DatabaseSync(path);
    const plan = database.prepare(`explain query plan ${query.sql}`).all(hashOf(1));
    database.close();
    const steps = plan.map(({ detail }) => String(detail));
    expect(steps).to.deep.include("SEARCH payments USING INDEX payments_nonce (<expr>=?)");
    expect(steps.filter((step) => step.startsWith("SCAN"))).to.deep.equal([]);
  });

  it("changes at most 1,000 rows in a transaction, however many it is asked for and by however many", async () => {
    const journal = await openJournal(newFile());
    // Listeners are told once for each transaction.
    const sizes: number[] = [];
    journal.onChange((ids) => sizes.push(ids.length));
    const payments = Array.from({ length: 2_600 }, (_, seed) => paymentOf(seed));
    const rows = (await journal.accept(payments, 1)).map(({ row }) => row);
    expect([...sizes.splice(0)]).to.deep.equal([1_000, 1_000, 600]);
    expect(rows.map(({ identity }) => identity)).to.deep.equal(payments.map(({ identity }) => identity));

    const evidence = { kind: "request", by: "an operator" } as const;
    const cancel = (some: typeof rows) =>
      journal.transition(
        some.map(({ id }) => ({ paymentId: id, from: ["queued"], to: "cancelled", evidence })),
        2,
      );
    await Promise.all([
      cancel(rows.slice(0, 1_100)),
      ...rows
        .slice(1_100)
        .map((_, i) => i)
        .filter((i) => i % 300 === 0)
        .map((i) => cancel(rows.slice(1_100 + i, 1_100 + i + 300))),
    ]);
    expect(Math.max(...sizes)).to.be.at.most(1_000);
    expect(sizes.reduce((sum, size) => sum + size, 0)).to.equal(2_600);
    expect(await journal.count()).to.deep.equal({ cancelled: 2_600 });
    await journal.close();
  });

  it("keeps a journal in memory", async () => {
    const journal = await openJournal(":memory:");
    const rows = await acceptSeeds(journal, 1, 2, 3);
    const answers = await Promise.all([
      ...rows.map((row) => stateOf(journal, row)),
      journal.consume(1, 1),
      journal.count(),
    ]);
    expect(answers).to.deep.equal(["queued", "queued", "queued", false, { queued: 3 }]);
    await journal.close();
  });

  it("refuses an address of something else, without quoting it", async () => {
    const error = await failure("mysql://root:hunter2@localhost/db");
    expect(error).to.include({ kind: "invalid", shortMessage: 'No journal in "mysql:".' });
    expect(error.message).not.to.contain("hunter2");
    expect(await failure("")).to.include({ kind: "invalid", shortMessage: "The journal's path is empty." });
  });

  it("upgrades a journal of an earlier version once, with its content, and then refuses that version", async () => {
    const path = newFile();
    const first = await openJournal(path);
    const [row] = await acceptSeeds(first, 1);
    const { epoch } = await lease(first, { owner: "a" });
    await first.close();
    const options = { busyTimeoutMs: 10_000, maxPageCount: undefined, check: true };
    const openLater = async () => createJournal(await openSqlite(path, options, withLaterVersion));
    const upgraded = await openLater();
    expect(await upgraded.payment(row!.id)).to.deep.equal(row);
    // An owner that lost the key before is still fenced.
    expect(await takeOver(upgraded, "b")).to.include({ epoch: epoch + 1 });
    await upgraded.close();
    const again = await openLater();
    expect(await again.list({ limit: 9 })).to.deep.equal([row]);
    await again.close();
    const error = await failure(path);
    expect(error).to.include({ kind: "newer-version" });
    expect(error.details).to.equal("The journal has schema version 2, this program knows 1.");
  });

  it("refuses a journal of a newer version", async () => {
    const path = newFile();
    await (await openJournal(path)).close();
    const database = new DatabaseSync(path);
    database.exec("insert into schema_version values (999)");
    database.close();
    const error = await failure(path);
    expect(error.kind).to.equal("newer-version");
    expect(error.details).to.contain("version 999");
  });

  it("refuses a file that is not a database, or a damaged one", async () => {
    const path = newFile();
    writeFileSync(path, "a shopping list, long enough to be taken for a header\n".repeat(200));
    expect((await failure(path)).kind).to.equal("corrupt");
    expect(readFileSync(path, "utf8")).to.match(/^a shopping list/);
  });

  it("refuses a journal with a damaged page in its middle, before anything is done with it", async () => {
    const path = newFile();
    const journal = await openJournal(path);
    await acceptSeeds(journal, ...Array.from({ length: 300 }, (_, index) => index));
    await journal.close();
    const bytes = readFileSync(path);
    const middle = Math.floor(bytes.length / 2 / 4_096) * 4_096;
    bytes.fill(0xa5, middle - 8 * 4_096, middle + 8 * 4_096);
    writeFileSync(path, bytes);
    const error = await failure(path);
    expect(error).to.include({ kind: "corrupt" });
    expect(error.shortMessage).to.match(/^The journal's file is damaged/);
    // Readers may still see what is left.
    await (await openJournal(path, { check: false })).close();
  });

  it("refuses the database of another program, and leaves it alone", async () => {
    const path = newFile();
    const database = new DatabaseSync(path);
    database.exec("create table recipes (name text)");
    expect((await failure(path)).kind).to.equal("invalid");
    expect(database.prepare("select name from sqlite_schema").all()).to.have.length(1);
    database.close();
  });

  it("refuses a folder, and a file where a folder must be", async () => {
    const path = join(folder, "directory.db");
    mkdirSync(path);
    expect((await failure(path)).kind).to.equal("unavailable");
    const file = newFile();
    writeFileSync(file, "");
    expect((await failure(join(file, "below.db"))).kind).to.equal("unavailable");
  });

  it("reads a journal that cannot be written, and tells writers so", async () => {
    const path = newFile();
    const journal = await openJournal(path);
    await acceptSeeds(journal, 1);
    await journal.close();
    // The write version in the header: above 2, SQLite opens a file for reading only.
    const bytes = readFileSync(path);
    bytes[18] = 3;
    writeFileSync(path, bytes);
    const locked = await openJournal(path);
    expect(await locked.count()).to.deep.equal({ queued: 1 });
    const error = await acceptSeeds(locked, 2).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(JournalError).with.property("kind", "read-only");
    await locked.close();
  });

  it("says that the disk is full, stores no part of a request, and continues when there is space", async () => {
    const path = newFile();
    const small = await openJournal(path, { maxPageCount: 80 });
    let stored = 0;
    let error: unknown;
    for (; error === undefined && stored < 10_000; stored += 40) {
      const seeds = Array.from({ length: 40 }, (_, index) => stored + index);
      error = await acceptSeeds(small, ...seeds).then(
        () => undefined,
        (reason: unknown) => reason,
      );
    }
    expect(error).to.be.instanceOf(JournalError).with.property("kind", "full");
    const before = await small.count();
    expect(before).to.deep.equal({ queued: stored - 40 });
    await small.close();
    const large = await openJournal(path);
    expect(await large.count()).to.deep.equal(before);
    await acceptSeeds(large, 99_999);
    await large.close();
  });

  it("remembers that the disk is full until a probe finds room, whatever small writes say", async () => {
    const path = newFile();
    const journal = await openJournal(path, { maxPageCount: 120 });
    await journal.probe();
    expect(journal.fault()).to.equal(undefined);
    const filler = new DatabaseSync(path, { timeout: 60_000 });
    filler.exec("create table filler (bytes blob)");
    filler.exec(`insert into filler values (zeroblob(${120 * 4_096}))`);
    const full = await journal.probe().catch((reason: unknown) => reason);
    expect(full).to.be.instanceOf(JournalError).with.property("kind", "full");
    await journal.setCursor("small", "1");
    expect(journal.fault()).to.equal(full);
    filler.exec("drop table filler");
    await journal.probe();
    expect(journal.fault()).to.equal(undefined);
    filler.close();
    await journal.close();
  });

  it("remembers the last failed write until one succeeds", async () => {
    const path = newFile();
    const journal = await openJournal(path, { busyTimeoutMs: 50 });
    const other = new DatabaseSync(path);
    other.exec("begin immediate");
    const error = await journal.setCursor("a", "1").catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(JournalError).with.property("kind", "busy");
    expect(journal.fault()).to.equal(error);
    other.exec("rollback");
    await journal.setCursor("a", "1");
    expect(journal.fault()).to.equal(undefined);
    other.close();
    await journal.close();
  });

  it("reads and keeps the event loop free while another process has the file locked, then gives up", async () => {
    const path = newFile();
    const journal = await openJournal(path, { busyTimeoutMs: 600 });
    const rows = await acceptSeeds(journal, 1);
    const other = new DatabaseSync(path);
    other.exec("begin immediate");
    let ticks = 0;
    const timer = setInterval(() => {
      ticks += 1;
    }, 10);
    const late = acceptSeeds(journal, 2).catch((reason: unknown) => reason);
    expect(await journal.payment(rows[0]?.id ?? 0)).to.deep.equal(rows[0]);
    expect(await late)
      .to.be.instanceOf(JournalError)
      .with.property("kind", "busy");
    clearInterval(timer);
    expect(ticks).to.be.at.least(2);
    const patient = await openJournal(path, { busyTimeoutMs: 600_000 });
    const waiting = acceptSeeds(patient, 3);
    setTimeout(() => other.exec("rollback"), 100);
    expect(await waiting).to.have.length(1);
    expect(await journal.count()).to.deep.equal({ queued: 2 });
    await patient.close();
    other.close();
    await journal.close();
  });

  it("reads a channel while another process has the file locked, and rewrites it as soon as the lock is free", async () => {
    const path = newFile();
    const journal = await openJournal(path);
    const id = idOf(1);
    const content = { withdrawal: undefined, fault: undefined, isDeleted: false } as const;
    const added = { ...content, channelId: id, chainId, record: recordOf(1, 7n), claimed: 0n };
    await journal.changeChannels([{ before: undefined, after: added }], 1);
    const before = (await journal.channels([id])).get(id)!;

    const other = new DatabaseSync(path);
    other.exec("begin immediate");
    const rewritten = journal.changeChannels([{ before, after: { ...before, claimed: 5n } }], 2);
    expect((await journal.channels([id])).get(id)).to.deep.equal(before);
    setTimeout(() => other.exec("rollback"), 50);
    expect([...(await rewritten)]).to.deep.equal([id]);
    expect((await journal.channels([id])).get(id)).to.deep.include({ claimed: 5n });
    // It does not start from the old record.
    expect((await journal.changeChannels([{ before, after: { ...before, claimed: 6n } }], 3)).size).to.equal(0);
    expect((await journal.channels([id])).get(id)).to.deep.include({ claimed: 5n });

    other.exec("update channels set record = '{}'");
    other.close();
    const error = await journal.channels([id]).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(JournalError).with.property("kind", "corrupt");
    await journal.close();
    for (const late of [journal.channels([id]), journal.changeChannels([{ before, after: before }], 4)]) {
      const closed = await late.catch((reason: unknown) => reason);
      expect(closed).to.be.instanceOf(JournalError).with.property("kind", "closed");
    }
  });

  it("lets nobody change history", async () => {
    const path = newFile();
    const journal = await openJournal(path);
    await acceptSeeds(journal, 1);
    await journal.close();
    const database = new DatabaseSync(path);
    for (const statement of ["update history set at_ms = 0", "delete from history"]) {
      expect(() => database.exec(statement)).to.throw("append-only");
    }
    database.close();
  });

  it("says that a row cannot be read, without its content", async () => {
    const path = newFile();
    const journal = await openJournal(path);
    await journal.accept([paymentOf(1)], 1);
    const database = new DatabaseSync(path);
    for (const [column, text] of [
      ["work", '{"kind":"authorization","authorization":{"signature":"0x5ec7e7"}}'],
      ["evidence", "no json"],
      ["deadline", "0x10"],
    ]) {
      database.exec("begin");
      database.prepare(`update payments set ${column} = ?`).run(text ?? "");
      database.exec("commit");
      const error = await journal.payment(1).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(JournalError).with.property("kind", "corrupt");
      expect(String(error)).not.to.contain("5ec7e7");
    }
    database.close();
    await journal.close();
  });
});
