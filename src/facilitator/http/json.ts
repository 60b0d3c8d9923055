import type { Reading } from "../wire/body.ts";

/** The deepest nesting of a request. None needs more, and code that walks through one recurses at each level. */
export const MOST_DEPTH = 64;

/** Reads JSON that strangers sent. */
export function readJson(text: string): Reading<unknown> {
  if (isDeeper(text, MOST_DEPTH)) return { ok: false, problem: `it is nested deeper than ${MOST_DEPTH} levels` };
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return { ok: false, problem: "it is not JSON" };
  }
}

const [QUOTE, BACKSLASH, ...BRACKETS] = [...'"\\[{]}'].map((one) => one.charCodeAt(0));

/** Whether arrays and objects are nested more than `most` deep somewhere. */
function isDeeper(text: string, most: number): boolean {
  let depth = 0;
  let isInText = false;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (isInText) {
      if (code === BACKSLASH) index += 1;
      else if (code === QUOTE) isInText = false;
    } else if (code === QUOTE) {
      isInText = true;
    } else if (code === BRACKETS[0] || code === BRACKETS[1]) {
      depth += 1;
      if (depth > most) return true;
    } else if (code === BRACKETS[2] || code === BRACKETS[3]) {
      depth -= 1;
    }
  }
  return false;
}
