import { expect } from "chai";
import { createDeclarationCheck } from "../../../src/facilitator/declaration.ts";

const look = { look: true };
const clock = (nowMs = 0) => ({ now: () => nowMs, sleep: () => Promise.resolve() });
const schema = { type: "object", properties: { input: { type: "object" } }, required: ["input"] };
const info = { input: { type: "http", method: "GET" } };

describe("createDeclarationCheck", () => {
  const reasonOf = (declared: unknown): string | undefined => {
    const verdict = createDeclarationCheck(clock())(declared, 2, look);
    return verdict === undefined || verdict.isValid ? undefined : verdict.reason;
  };

  it("takes an info that fits its schema, and the specification", () => {
    expect(createDeclarationCheck(clock())({ info, schema }, 2, look)).to.deep.equal({ isValid: true });
  });

  it("says why it takes none", () => {
    expect(reasonOf("x")).to.include("no info");
    expect(reasonOf({ info: { output: {} }, schema })).to.include("input");
    expect(reasonOf({ info: { input: { type: "ftp" } }, schema })).to.include("ftp");
    expect(reasonOf({ info, schema: { ...schema, required: ["output"] } })).to.include("output");
    expect(reasonOf({ info, schema: { $ref: "http://127.0.0.1/schema" } })).to.include("external");
    expect(reasonOf({ info, schema: { type: "nonsense" } })).to.be.a("string");
    expect(reasonOf({ info, schema, more: "x".repeat(40_000) })).to.include("too long");
    expect(reasonOf({ info: { input: { type: "\u0007ü".repeat(300) } }, schema })).to.match(/^[\x20-\x7e]{1,200}$/);
  });

  it("ends a schema that takes for ever, and rests for a minute then", () => {
    const pattern = { type: "object", properties: { evil: { type: "string", pattern: "^(a+)+$" } } };
    const declared = { info: { ...info, evil: `${"a".repeat(60)}!` }, schema: pattern };
    let nowMs = 0;
    const check = createDeclarationCheck({ ...clock(), now: () => nowMs });
    const startedMs = performance.now();
    expect(check(declared, 2, look)).to.deep.equal({ isValid: false, reason: "validating it takes too long" });
    expect(performance.now() - startedMs).to.be.below(5_000);
    expect(check({ info, schema }, 2, look)).to.equal(undefined);
    nowMs = 60_000;
    expect(check({ info, schema }, 2, look)).to.deep.equal({ isValid: true });
  });

  it("looks at so many new ones at once, and remembers what it saw", () => {
    const check = createDeclarationCheck(clock());
    const declare = (index: number) => ({ info: { ...info, index }, schema });
    expect(check(declare(0), 2, { look: false })).to.equal(undefined);
    const verdicts = Array.from({ length: 25 }, (_, index) => check(declare(index), 2, look));
    expect(verdicts.filter((verdict) => verdict === undefined)).to.have.length(5);
    expect(check(declare(0), 2, { look: false })).to.deep.equal({ isValid: true });
  });

  it("holds x402 v1 to its size only", () => {
    const check = createDeclarationCheck(clock());
    expect(check({ input: {} }, 1, look)).to.deep.equal({ isValid: true });
    expect(check({ input: "x".repeat(40_000) }, 1, look)).to.include({ isValid: false });
  });
});
