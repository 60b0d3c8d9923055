import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import { openNearReader } from "../../../../../src/journal/database/sqlite/nearReader.ts";

describe("openNearReader", () => {
  const folder = mkdtempSync(join(tmpdir(), "tributary-near-"));
  const path = join(folder, "journal.db");
  const select = "select name from things where name = ?";
  let writer: DatabaseSync;

  before(() => {
    writer = new DatabaseSync(path);
    writer.exec("pragma journal_mode = wal; create table things (name text) strict");
  });
  after(() => {
    writer.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("reads what is committed, while somebody writes", async () => {
    const near = (await openNearReader(path))!;
    writer.exec("begin immediate; insert into things values ('one')");
    expect(near.read(select, ["one"])).to.deep.equal([]);
    writer.exec("commit");
    expect(near.read(select, ["one"])?.map((row) => ({ ...row }))).to.deep.equal([{ name: "one" }]);
    near.close();
  });

  it("writes nothing, and returns undefined for what it cannot do", async () => {
    const near = (await openNearReader(path))!;
    expect(near.read("insert into things values ('two')", [])).to.equal(undefined);
    expect(near.read("select * from nothing", [])).to.equal(undefined);
    expect(near.read(select, ["two"])).to.deep.equal([]);
    near.close();
    expect(near.read(select, ["two"])).to.equal(undefined);
  });

  it("reads with more statements than it keeps", async () => {
    const near = (await openNearReader(path))!;
    for (let i = 0; i < 100; i += 1) expect(near.read(`select ${i} as i`, [])?.[0]?.i).to.equal(i);
    near.close();
  });

  it("is not opened if there is no file that another thread reads too", async () => {
    expect(await openNearReader(":memory:")).to.equal(undefined);
    expect(await openNearReader(join(folder, "nothing.db"))).to.equal(undefined);
  });
});
