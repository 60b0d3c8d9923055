/**
 * A stranger's text as it may be shown in a terminal and kept in a journal: what would control a terminal or turn the direction
 * of the text around is a `?` each.
 */
export function printable(text: string): string {
  // Cc: control characters. Cf: formatting, such as bidirectional overrides. Zl, Zp: line and paragraph separators. Cs: half
  // of a pair, which is no text.
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, "?");
}
