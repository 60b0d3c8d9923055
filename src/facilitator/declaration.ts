import { createHash } from "node:crypto";
import { createContext, Script } from "node:vm";
import { validateDiscoveryExtension, validateDiscoveryExtensionSpec } from "@x402/extensions/bazaar";
import type { Clock } from "../clock.ts";
import { createLimiter } from "./admission/limit.ts";
import { propertyOf } from "./wire.ts";

export type DeclarationVerdict = { readonly isValid: true } | { readonly isValid: false; readonly reason: string };

/** A declaration's text may have so many characters. */
const MOST_CHARACTERS = 32_768;
/** How long one validation may take: a stranger's schema may hold a regular expression that never ends. */
const TIMEOUT_MS = 250;
/** How long nothing new is validated after one that took longer. */
const REST_MS = 60_000;
/** Validations a second: each compiles a schema. Verdicts are remembered, so that only new declarations count. */
const VALIDATIONS = { perSecond: 5, burst: 20 };
const REMEMBERED = 1_000;

/** Says whether a declaration is valid: undefined where that is not known, and `look` is not to find it out now. */
export type DeclarationCheck = (
  declared: unknown,
  version: 1 | 2,
  options: { readonly look: boolean },
) => DeclarationVerdict | undefined;

/**
 * Validates what strangers declare for the Bazaar: its info against its own schema, by the official package, within bounds
 * on size, time and number.
 */
export function createDeclarationCheck(clock: Clock): DeclarationCheck {
  const verdicts = new Map<string, DeclarationVerdict>();
  const limit = createLimiter(VALIDATIONS, clock);
  let restUntilMs = 0;
  return (declared, version, { look }) => {
    const text = JSON.stringify(declared);
    if (text.length > MOST_CHARACTERS) return { isValid: false, reason: "the declaration is too long" };
    // x402 v1 has no schema that a declaration could be held to.
    if (version === 1) return { isValid: true };
    const key = createHash("sha256").update(text).digest("hex");
    const known = verdicts.get(key);
    if (known !== undefined) return known;
    if (!look || clock.now() < restUntilMs || limit("all") !== undefined) return undefined;
    const verdict = validate(declared);
    if (verdict === ENDLESS) restUntilMs = clock.now() + REST_MS;
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
  // The functions read it as the unknown that it is.
  const extension = declared as Declared;
  try {
    const results = within(TIMEOUT_MS, () => [
      validateDiscoveryExtensionSpec({ ...extension }),
      validateDiscoveryExtension(extension),
    ]);
    const error = results.find(({ valid }) => !valid);
    if (error === undefined) return { isValid: true };
    return { isValid: false, reason: clean(error.errors?.[0] ?? "the info does not fit the schema") };
  } catch (error) {
    // It is an error of the other context, so not an instance of this one's Error.
    const isOver = propertyOf(error, "code") === "ERR_SCRIPT_EXECUTION_TIMEOUT";
    return isOver ? ENDLESS : { isValid: false, reason: "the schema cannot be used" };
  }
}

const ENDLESS: DeclarationVerdict = { isValid: false, reason: "validating it takes too long" };

const box: { run: () => unknown } = { run: () => undefined };
const context = createContext(box);
const script = new Script("run()");

/** Runs something synchronous, and throws where it takes longer: the only way to end a regular expression. */
function within<T>(timeoutMs: number, work: () => T): T {
  let result: { readonly value: T } | undefined;
  box.run = () => {
    result = { value: work() };
  };
  script.runInContext(context, { timeout: timeoutMs });
  if (result === undefined) throw new Error("it was not run");
  return result.value;
}

/** A stranger's text in an answer: short, and without control characters. */
function clean(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 200);
}
