import { expect } from "chai";
import { createDeclarationCheck } from "../../../../src/facilitator/catalogue/declaration.ts";

const look = { look: true };
const clock = (nowMs = 0) => ({ now: () => nowMs, sleep: () => Promise.resolve() });
const schema = { type: "object", properties: { input: { type: "object" } }, required: ["input"] };
const info = { input: { type: "http", method: "GET" } };

describe("createDeclarationCheck", () => {
  const reasonOf = (declared: unknown): string | undefined => {
    const verdict = createDeclarationCheck(clock())(declared, 2, look);
    return verdict === undefined || verdict.isValid ? undefined : verdict.reason;
  };

  it("accepts an info that fits its schema and the specification", () => {
    expect(createDeclarationCheck(clock())({ info, schema }, 2, look)).to.deep.equal({ isValid: true });
  });

  it("says why it refuses a declaration", () => {
    expect(reasonOf("x")).to.include("no info");
    expect(reasonOf({ info: { output: {} }, schema })).to.include("input");
    expect(reasonOf({ info: { input: { type: "ftp" } }, schema })).to.include("ftp");
    expect(reasonOf({ info, schema: { ...schema, required: ["output"] } })).to.include("output");
    expect(reasonOf({ info, schema: { $ref: "http://127.0.0.1/schema" } })).to.include("external");
    expect(reasonOf({ info, schema: { $ref: "#/$defs/none" } })).to.include("without a target");
    expect(reasonOf({ info, schema: { type: "nonsense" } })).to.be.a("string");
    expect(reasonOf({ info, schema: 5 })).to.be.a("string");
    expect(reasonOf({ info, schema, more: "x".repeat(40_000) })).to.include("too long");
    expect(reasonOf({ info: { input: { type: "\u0007ü".repeat(300) } }, schema })).to.match(/^[\x20-\x7e]{1,200}$/);
  });

  it("runs no stranger's regular expression, and checks the next declaration at once", () => {
    // With any of them, this text takes more steps than there will ever be time for.
    const endless = "^(a+)+$";
    const text = `${"a".repeat(200)}!`;
    const check = createDeclarationCheck(clock());
    for (const evil of [
      { properties: { evil: { type: "string", pattern: endless } } },
      { patternProperties: { [endless]: {} }, additionalProperties: false },
      { properties: { evil: { $ref: "#/$defs/evil" } }, $defs: { evil: { pattern: endless } } },
      { properties: { evil: { not: { pattern: endless } } } },
    ]) {
      const declared = { info: { ...info, evil: text, [text]: 1 }, schema: { type: "object", ...evil } };
      expect(check(declared, 2, look)).to.deep.equal({ isValid: true });
    }
    expect(check({ info, schema }, 2, look)).to.deep.equal({ isValid: true });
  });

  it("counts the work of a validation before it does any", () => {
    const doubling = (levels: number) => {
      const $defs: Record<string, object> = { d0: { type: "object" } };
      for (let level = 1; level <= levels; level += 1) {
        $defs[`d${level}`] = { anyOf: [{ $ref: `#/$defs/d${level - 1}` }, { $ref: `#/$defs/d${level - 1}` }] };
      }
      return { info, schema: { $ref: `#/$defs/d${levels}`, $defs } };
    };
    expect(reasonOf(doubling(3))).to.equal(undefined);
    expect(reasonOf(doubling(60))).to.include("more than 1024 parts");
    const wide = (parts: number, values: number) => ({
      info: { ...info, list: new Array(values).fill(1) },
      schema: { properties: { list: { items: { allOf: new Array(parts).fill({ type: "number" }) } } } },
    });
    expect(reasonOf(wide(20, 50))).to.equal(undefined);
    expect(reasonOf(wide(100, 1_000))).to.match(/takes [0-9]+ steps, more than the 65536 allowed/);
    expect(reasonOf(wide(600, 1))).to.include("more than 1024 parts");
  });

  it("looks at so many new ones at once, and remembers what it saw", () => {
    const check = createDeclarationCheck(clock());
    const declare = (index: number) => ({ info: { ...info, index }, schema });
    expect(check(declare(0), 2, { look: false })).to.equal(undefined);
    const verdicts = Array.from({ length: 25 }, (_, index) => check(declare(index), 2, look));
    expect(verdicts.filter((verdict) => verdict === undefined)).to.have.length(5);
    expect(check(declare(0), 2, { look: false })).to.deep.equal({ isValid: true });
  });

  it("bounds only the size in x402 v1", () => {
    const check = createDeclarationCheck(clock());
    expect(check({ input: {} }, 1, look)).to.deep.equal({ isValid: true });
    expect(check({ input: "x".repeat(40_000) }, 1, look)).to.include({ isValid: false });
  });
});
