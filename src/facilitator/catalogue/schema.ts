import { propertyOf } from "../wire/body.ts";

/** A schema cannot be used. The message says why. */
export class SchemaError extends Error {
  override readonly name = "SchemaError";
}

type Plain = Readonly<Record<string, unknown>>;
/** A schema, and whether it means exactly what it was made from. If not, it may allow more, but never less. */
type Copy = { readonly schema: Plain | boolean; readonly isExact: boolean };

/** Keywords whose work is bounded by the size of the value and of the keyword. */
const PLAIN = [
  "type",
  "enum",
  "const",
  "required",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "minProperties",
  "maxProperties",
  "dependentRequired",
];
/** Keywords that say nothing about a value. */
const REMARKS = ["title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "format"];
const REMARKS_TOO = ["$schema", "$comment", "$defs", "definitions", "contentMediaType", "contentEncoding"];
const SILENT: ReadonlySet<string> = new Set([...REMARKS, ...REMARKS_TOO]);

/** How many values there are in a value, itself included. */
export function sizeOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 1;
  let size = 1;
  for (const one of Object.values(value)) size += sizeOf(one);
  return size;
}

/**
 * Turns a stranger's JSON Schema (2020-12) into one whose work is bounded by its size times the size of the value. References
 * within it are followed, and keywords that cost more, such as regular expressions, are left out. So it allows more, never less.
 * @param most The most values that it may have with all references followed.
 * @throws SchemaError if it is larger, refers to something outside or nowhere, or is not a schema.
 */
export function boundedSchema(root: unknown, most: number): Plain | boolean {
  let left = most;

  function copy(node: unknown, following: readonly string[]): Copy {
    spend(1);
    if (typeof node === "boolean") return { schema: node, isExact: true };
    if (typeof node !== "object" || node === null || Array.isArray(node))
      throw new SchemaError("a schema is not an object");
    const schema: Record<string, unknown> = {};
    let isExact = true;
    const take = (made: Copy): Plain | boolean => {
      isExact &&= made.isExact;
      return made.schema;
    };
    const list = (value: unknown): Copy[] => {
      if (!Array.isArray(value)) throw new SchemaError("a list of schemas is not a list");
      return value.map((one) => copy(one, following));
    };
    const has = (key: string): boolean => Object.hasOwn(node, key);

    for (const [key, value] of Object.entries(node)) {
      if (PLAIN.includes(key)) {
        spend(sizeOf(value));
        schema[key] = value;
      } else if (key === "properties" || key === "dependentSchemas") {
        if (typeof value !== "object" || value === null) throw new SchemaError(`${key} is not an object`);
        const entries = Object.entries(value).map(([name, one]) => [name, take(copy(one, following))] as const);
        schema[key] = Object.fromEntries(entries);
      } else if (key === "items" || key === "propertyNames") {
        schema[key] = take(copy(value, following));
      } else if (key === "additionalProperties") {
        // `patternProperties`, which is left out, would exempt some properties from this keyword.
        if (has("patternProperties")) isExact = false;
        else schema[key] = take(copy(value, following));
      } else if (key === "allOf" || key === "anyOf" || key === "prefixItems") {
        schema[key] = list(value).map(take);
      } else if (key === "oneOf") {
        const parts = list(value);
        // Of inexact parts, several may allow the same value.
        schema[parts.every((part) => part.isExact) ? "oneOf" : "anyOf"] = parts.map(take);
      } else if (key === "not") {
        const part = copy(value, following);
        if (part.isExact) schema[key] = part.schema;
        else isExact = false;
      } else if (!SILENT.has(key) && key !== "$ref") {
        isExact = false;
      }
    }
    const reference = propertyOf(node, "$ref");
    if (reference !== undefined) {
      if (typeof reference !== "string" || !reference.startsWith("#")) {
        throw new SchemaError("the schema has an external reference");
      }
      // A circle of references would never end.
      if (following.includes(reference)) isExact = false;
      else {
        const target = take(copy(resolve(root, reference), [...following, reference]));
        schema.allOf = [...((schema.allOf as unknown[] | undefined) ?? []), target];
      }
    }
    return { schema, isExact };
  }

  function spend(size: number): void {
    left -= size;
    if (left < 0) throw new SchemaError(`the schema has more than ${most} parts with its references followed`);
  }

  return copy(root, []).schema;
}

/** The target of a reference within a schema. */
function resolve(root: unknown, reference: string): unknown {
  if (reference === "#") return root;
  let found: unknown = root;
  for (const part of reference.startsWith("#/") ? reference.slice(2).split("/") : [""]) {
    found = propertyOf(found, decode(part).replaceAll("~1", "/").replaceAll("~0", "~"));
  }
  if (found === undefined) throw new SchemaError("the schema has a reference without a target");
  return found;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new SchemaError("the schema has a reference that cannot be read");
  }
}
