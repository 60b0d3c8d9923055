/**
 * A stranger's text, made safe for a terminal and a journal. Each character that controls a terminal or changes the
 * direction of the text becomes a `?`.
 */
export function printable(text: string): string {
  // Cc: control characters. Cf: formatting, such as bidirectional overrides. Zl, Zp: line and paragraph separators. Cs:
  // half of a surrogate pair, which is no text.
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, "?");
}
