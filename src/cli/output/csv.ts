/** A value of a table as other programs read it. */
export type CsvValue = string | number | bigint | null;

/** One line of CSV by RFC 4180; what a spreadsheet would take for a formula is made text. */
export function csvLine(values: readonly CsvValue[]): string {
  return values.map(cell).join(",");
}

function cell(value: CsvValue): string {
  if (value === null) return "";
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
