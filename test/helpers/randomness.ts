import fc from "fast-check";

/** Whether randomised tests run whole (`npm run test:long`) or reduced (`npm test`). */
export const isLong = process.env.TRIBUTARY_LONG === "1";

/** Seed of every randomised TypeScript test of this process; `npm test` prints it, TRIBUTARY_SEED sets it. */
export const seed = Number(process.env.TRIBUTARY_SEED ?? Date.now() % 2 ** 31);

/** How often a randomised test runs: `reduced` times in `npm test`, `whole` times in `npm run test:long`. */
export function runs(reduced: number, whole: number): { readonly numRuns: number; readonly seed: number } {
  return { numRuns: isLong ? whole : reduced, seed };
}

const SURROGATES = { first: 0xd800, count: 0x800 };

/**
 * Any Unicode character, as the unit of random strings. fast-check's own unit `binary` means the same, and takes seconds to
 * list all of them.
 */
export const character: fc.Arbitrary<string> = fc.nat({ max: 0x10ffff - SURROGATES.count }).map(
  (index) => String.fromCodePoint(index < SURROGATES.first ? index : index + SURROGATES.count),
  (value) => {
    const code = typeof value === "string" && /^\P{Cs}$/u.test(value) ? value.codePointAt(0) : undefined;
    if (code === undefined) throw new Error("it is no character");
    return code < SURROGATES.first ? code : code - SURROGATES.count;
  },
);

// For properties without their own settings. The test runner loads every file of test/, this one included.
fc.configureGlobal(runs(100, 2_000));
