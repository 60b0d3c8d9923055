import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect } from "chai";
import fc from "fast-check";
import { type LineResult, MAX_LINE_BYTES, readAuthorizations } from "../../../src/authorization/lines.ts";
import { splitLines } from "../../../src/authorization/splitLines.ts";
import { networks } from "../../../src/networks.ts";
import { expectedOf, payee, vectors } from "../../helpers/authorizations.ts";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

async function* stream<Chunk>(...chunks: Chunk[]): AsyncGenerator<Chunk> {
  yield* chunks;
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const read = (text: string | Uint8Array): Promise<LineResult[]> => collect(readAuthorizations(stream(text)));
const jsons = vectors.map((vector) => JSON.stringify(vector.record));
const [first = "", second = "", third = ""] = vectors
  .filter((_, index) => index < 3)
  .map((one) => JSON.stringify(one.record));
const summary = (results: LineResult[]) => results.map((result) => `${result.line} ${result.status}`);

describe("readAuthorizations", () => {
  it("reads JSON and headers mixed, and names the line of each", async () => {
    const distinct = vectors.filter((vector) => !vector.source.includes("split"));
    const lines = distinct.map((vector, index) => (index % 2 === 0 ? JSON.stringify(vector.record) : vector.header));
    const results = await read(lines.join("\n"));
    expect(results).to.have.lengthOf(distinct.length);
    for (const [index, vector] of distinct.entries()) {
      const result = results[index];
      expect(result).to.include({ line: index + 1, status: "ok", format: vector.format });
      expect(result).to.have.deep.property("authorization", expectedOf(vector));
    }
  });

  it("skips blank lines and a byte order mark, counts them, and takes CRLF and no last line end", async () => {
    const results = await read(`\uFEFF${first}\r\n\r\n  \t\n${second}\r\n\n${third}`);
    expect(summary(results)).to.deep.equal(["1 ok", "4 ok", "6 ok"]);
  });

  for (const empty of ["", "\n", "\r\n\r\n", "\uFEFF", "   "]) {
    it(`finds nothing in ${JSON.stringify(empty)}`, async () => {
      expect(await read(empty)).to.deep.equal([]);
    });
  }

  it("names line and field of a bad line and continues", async () => {
    const negative = JSON.stringify({ ...vectors[2]?.record, value: "-1" });
    const results = await read([first, negative, "garbage!", second].join("\n"));
    expect(summary(results)).to.deep.equal(["1 ok", "2 bad", "3 bad", "4 ok"]);
    const [, byField, byRecord] = results;
    if (byField?.status !== "bad" || byRecord?.status !== "bad") throw new Error("expected two bad lines");
    expect(byField.error).to.include({ line: 2, field: "value", problem: 'The number "-1" is negative.' });
    expect(byField.error.shortMessage).to.equal('line 2: value: The number "-1" is negative.');
    expect(byField.error.hint).to.equal("It must be zero or more.");
    expect(byRecord.error).to.include({ line: 3, field: "record", problem: "is neither JSON nor base64." });
  });

  it("treats a line as a duplicate only after the same signature, and says which line was first", async () => {
    const record = { ...vectors[2]?.record };
    const otherSignature = JSON.stringify({ ...record, signature: `0x${"11".repeat(65)}` });
    const variant = JSON.stringify({ ...record, value: "7" });
    const results = await read([JSON.stringify(record), first, otherSignature, variant, variant].join("\n"));
    // Nothing is verified yet: either line 1 or the one that differs from it may be a forgery.
    expect(summary(results)).to.deep.equal(["1 ok", "2 ok", "3 ok", "4 ok", "5 duplicate"]);
    expect(results[4]).to.include({ ofLine: 4 });
    expect(results[4]).to.have.nested.property("authorization.value", 7n);
  });

  it("finds the split form to be a duplicate of the whole one", async () => {
    const results = await read(jsons.join("\n"));
    const duplicates = results.filter((result) => result.status === "duplicate");
    expect(duplicates).to.have.lengthOf(vectors.filter((vector) => vector.source.includes("split")).length);
    for (const duplicate of duplicates) expect(duplicate).to.include({ ofLine: duplicate.line - 1 });
  });

  it("does not treat equal nonces of other chains, tokens or payers as duplicates", async () => {
    const record = { ...vectors[2]?.record };
    const others = [
      { ...record, network: "base" },
      { ...record, token: payee },
      { ...record, from: payee },
    ];
    const results = await read([record, ...others].map((one) => JSON.stringify(one)).join("\n"));
    expect(summary(results)).to.deep.equal(["1 ok", "2 ok", "3 ok", "4 ok"]);
  });

  it("hands the context on", async () => {
    const results = await collect(readAuthorizations(stream(first), { network: networks.base }));
    expect(results[0]).to.have.nested.property("error.field", "network");
  });

  it("takes a line of 1 MiB and drops one that is a byte longer, naming it", async () => {
    const longest = first.padEnd(MAX_LINE_BYTES, " ");
    const results = await read(`${longest}\n${longest} \n${second}\n${" ".repeat(5 * MAX_LINE_BYTES)}`);
    expect(summary(results)).to.deep.equal(["1 ok", "2 bad", "3 ok", "4 bad"]);
    const tooLong = results[1];
    if (tooLong?.status !== "bad") throw new Error("expected a bad line");
    expect(tooLong.error.shortMessage).to.equal("line 2: record: has more than 1048576 bytes.");
  });

  it("refuses a JSON array once, whether on one line or on many", async () => {
    for (const array of [JSON.stringify([vectors[0]?.record]), JSON.stringify([vectors[0]?.record], null, 2)]) {
      const results = await read(`\n${array}\n`);
      expect(summary(results)).to.deep.equal(["2 bad"]);
      expect(results[0])
        .to.have.nested.property("error.problem")
        .that.equals("starts a JSON array, where one record per line is expected.");
    }
  });

  it("treats an array further down as one bad line", async () => {
    expect(summary(await read(`${first}\n[1]\n${second}`))).to.deep.equal(["1 ok", "2 bad", "3 ok"]);
  });

  it("refuses lines that are not UTF-8", async () => {
    const utf16 = Buffer.from(`\uFEFF${first}`, "utf16le");
    const [result] = await read(utf16);
    expect(result).to.have.nested.property("error.hint", "Save the file as UTF-8.");
    const broken = Buffer.concat([Buffer.from(`${first}\n`), Buffer.from([0xff, 0x0a]), Buffer.from(second)]);
    expect(summary(await read(broken))).to.deep.equal(["1 ok", "2 bad", "3 ok"]);
  });

  it("reads the same however the stream is cut, as bytes or as strings", async () => {
    const text = `\uFEFF${jsons.slice(0, 3).join("\r\n")}\nnot a record: 😀 é\n\n${jsons[3]}`;
    const whole = await read(text);
    const cuts = fc.uniqueArray(fc.nat(text.length), { maxLength: 20 }).map((points) => points.sort((a, b) => a - b));
    await fc.assert(
      fc.asyncProperty(cuts, fc.boolean(), async (points, asBytes) => {
        const source = asBytes ? new TextEncoder().encode(text) : text;
        const chunks = [0, ...points].map((from, index) => source.slice(from, points[index] ?? source.length));
        const results = await collect(readAuthorizations(stream(...chunks)));
        expect(results.map(comparable)).to.deep.equal(whole.map(comparable));
      }),
      { numRuns: 50 },
    );
  });

  it("holds no more than a line that never ends", async () => {
    const mebibyte = new Uint8Array(2 ** 20).fill(0x20);
    let held = Number.NaN;
    async function* endless() {
      const before = usedBytes();
      for (let index = 0; index < 256; index += 1) yield mebibyte;
      held = usedBytes() - before;
      yield `\n${first}`;
    }
    expect(summary(await collect(readAuthorizations(endless())))).to.deep.equal(["1 bad", "2 ok"]);
    expect(held).to.be.below(2 * MAX_LINE_BYTES);
  });

  it("holds less than 400 bytes for each authorization and nothing for each line", async () => {
    const count = 20_000;
    const record = vectors[2]?.record;
    let held = Number.NaN;
    async function* many() {
      const before = usedBytes();
      for (let index = 0; index < 2 * count; index += 1) {
        const nonce = `0x${(index % count).toString(16).padStart(64, "0")}`;
        yield `${JSON.stringify({ ...record, nonce })}\n`;
      }
      held = usedBytes() - before;
    }
    const counts = { ok: 0, duplicate: 0, bad: 0 };
    for await (const { status } of readAuthorizations(many())) counts[status] += 1;
    expect(counts).to.deep.equal({ ok: count, duplicate: count, bad: 0 });
    expect(held / count).to.be.below(400);
  });
});

describe("splitLines", () => {
  it("equals String.split for any text and cuts", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: fc.constantFrom("a", "\n", "\r", "é", "😀") })), async (chunks) => {
        const lines = await collect(splitLines(stream(...chunks), 1000));
        const texts = lines.map((line) =>
          line.status === "read" ? Buffer.from(line.bytes).toString("utf8") : "too long",
        );
        const expected = chunks.join("").split("\n");
        if (expected.at(-1) === "") expected.pop();
        expect(texts).to.deep.equal(expected);
        expect(lines.map(({ line }) => line)).to.deep.equal(expected.map((_, index) => index + 1));
      }),
    );
  });

  it("does not see what its source later does to a chunk", async () => {
    async function* reusing() {
      const buffer = new Uint8Array(2).fill(0x61);
      yield buffer;
      buffer.fill(0x62);
      yield buffer;
    }
    const [line] = await collect(splitLines(reusing(), 1000));
    expect(line?.status === "read" && Buffer.from(line.bytes).toString()).to.equal("aabb");
  });
});

function comparable(result: LineResult): unknown {
  return result.status === "bad" ? { ...result, error: result.error.message } : result;
}

/** Bytes in use after everything unused was freed. */
function usedBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
