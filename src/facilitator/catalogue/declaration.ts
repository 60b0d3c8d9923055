import { createHash } from "node:crypto";
import { validateDiscoveryExtension, validateDiscoveryExtensionSpec } from "@x402/extensions/bazaar";
import type { Clock } from "../../clock.ts";
import { createLimiter } from "../callers/limit.ts";
import { boundedSchema, SchemaError, sizeOf } from "./schema.ts";

export type DeclarationVerdict = { readonly isValid: true } | { readonly isValid: false; readonly reason: string };

/** The most characters of a declaration's text. */
const MOST_CHARACTERS = 32_768;
/** The most parts of its schema, with all references followed. Each part is compiled. */
const MOST_SCHEMA_PARTS = 1_024;
/** The most work of a validation: the parts of the schema times those of the info. */
const MOST_LOOKS = 65_536;
/** The bound on validations, each of which compiles a schema. Verdicts are remembered, so only new declarations count. */
const VALIDATIONS = { perSecond: 5, burst: 20 };
const REMEMBERED = 1_000;

/** Whether a declaration is valid; undefined if that is not known and `look` is false, or too many were validated just now. */
export type DeclarationCheck = (
  declared: unknown,
  version: 1 | 2,
  options: { readonly look: boolean },
) => DeclarationVerdict | undefined;

/**
 * Validates what strangers declare for the Bazaar: the official package checks its info against its own schema, within bounds on
 * work. The bounds do not depend on the speed of this machine: no schema runs a regular expression, and the work is counted
 * beforehand.
 */
export function createDeclarationCheck(clock: Clock): DeclarationCheck {
  const verdicts = new Map<string, DeclarationVerdict>();
  const limit = createLimiter(VALIDATIONS, clock);
  return (declared, version, { look }) => {
    const text = JSON.stringify(declared);
    if (text.length > MOST_CHARACTERS) return { isValid: false, reason: "the declaration is too long" };
    // x402 v1 has no schema to check a declaration against.
    if (version === 1) return { isValid: true };
    const key = createHash("sha256").update(text).digest("hex");
    const known = verdicts.get(key);
    if (known !== undefined) return known;
    if (!look || limit("all") !== undefined) return undefined;
    const verdict = validate(declared);
    verdicts.set(key, verdict);
    const [oldest] = verdicts.keys();
    if (verdicts.size > REMEMBERED && oldest !== undefined) verdicts.delete(oldest);
    return verdict;
  };
}

type Declared = Parameters<typeof validateDiscoveryExtension>[0];

function validate(declared: unknown): DeclarationVerdict {
  if (typeof declared !== "object" || declared === null || !("info" in declared) || !("schema" in declared)) {
    return { isValid: false, reason: "the declaration has no info or no schema" };
  }
  try {
    const schema = boundedSchema(declared.schema, MOST_SCHEMA_PARTS);
    const looks = sizeOf(schema) * sizeOf(declared.info);
    if (looks > MOST_LOOKS) {
      return {
        isValid: false,
        reason: `validating it takes ${looks} steps, more than the ${MOST_LOOKS} allowed`,
      };
    }
    // The cast is safe: the functions make no assumption about its type.
    const extension = { ...declared, schema } as unknown as Declared;
    const results = [validateDiscoveryExtensionSpec({ ...extension }), validateDiscoveryExtension(extension)];
    const error = results.find(({ valid }) => !valid);
    if (error === undefined) return { isValid: true };
    return { isValid: false, reason: clean(error.errors?.[0] ?? "the info does not fit the schema") };
  } catch (error) {
    return { isValid: false, reason: error instanceof SchemaError ? error.message : "the schema cannot be used" };
  }
}

/** A stranger's text in an answer: short, and without control characters. */
function clean(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 200);
}
