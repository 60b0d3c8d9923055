import { expect } from "chai";
import { boundedSchema, SchemaError, sizeOf } from "../../../../src/facilitator/catalogue/schema.ts";

describe("boundedSchema", () => {
  const made = (schema: unknown, most = 100) => boundedSchema(schema, most);

  it("keeps what is bounded, and leaves out what says nothing about a value", () => {
    const schema = {
      type: "object",
      properties: { city: { type: "string", minLength: 1, enum: ["a", "b"] }, pattern: { const: 5 } },
      required: ["city"],
      additionalProperties: false,
    };
    expect(made({ $schema: "https://json-schema.org/draft/2020-12/schema", title: "t", ...schema })).to.deep.equal(
      schema,
    );
  });

  it("follows references within it, and stops at circles", () => {
    const tree = {
      $ref: "#/$defs/a~1b%20c",
      $defs: { "a/b c": { type: "object", properties: { child: { $ref: "#/$defs/a~1b%20c" } } } },
    };
    expect(made(tree)).to.deep.equal({ allOf: [{ type: "object", properties: { child: {} } }] });
    expect(made({ anyOf: [{ $ref: "#" }, { type: "null" }] })).to.deep.equal({
      anyOf: [{ allOf: [{ anyOf: [{}, { type: "null" }] }] }, { type: "null" }],
    });
  });

  it("allows more if something is left out, never less", () => {
    const inexact = { type: "string", pattern: "x" };
    for (const [given, expected] of [
      [inexact, { type: "string" }],
      [{ not: inexact }, {}],
      [{ not: { type: "string" } }, { not: { type: "string" } }],
      [{ oneOf: [inexact, { type: "number" }] }, { anyOf: [{ type: "string" }, { type: "number" }] }],
      [{ oneOf: [{ type: "null" }] }, { oneOf: [{ type: "null" }] }],
      [{ not: { properties: { a: inexact } } }, {}],
      [{ patternProperties: { x: {} }, additionalProperties: false, minProperties: 1 }, { minProperties: 1 }],
      [{ if: { const: 1 }, else: false, uniqueItems: true, unevaluatedProperties: false, contains: false }, {}],
    ] as const) {
      expect(made(given), JSON.stringify(given)).to.deep.equal(expected);
    }
  });

  it("counts every part, and refuses one too many", () => {
    const four = { properties: { a: {}, b: { type: "string" } } };
    expect(made(four, 4)).to.deep.equal(four);
    expect(() => made(four, 3)).to.throw(SchemaError, "more than 3 parts");
    expect(() => made({ enum: [1, [2, 3]] }, 5)).to.throw(SchemaError);
    expect(sizeOf({ a: [1, { b: 2 }], c: null })).to.equal(6);
  });

  it("refuses what is not a schema, and references to outside or without a target", () => {
    for (const bad of [
      null,
      [],
      "x",
      { properties: 5 },
      { allOf: {} },
      { $ref: 5 },
      { $ref: "other.json" },
      { $ref: "#name" },
      { $ref: "#/%E0%A4%A" },
      { $ref: "#/__proto__" },
    ]) {
      expect(() => made(bad), JSON.stringify(bad)).to.throw(SchemaError);
    }
  });
});
