/** A value in a table that other programs read. */
export type CsvValue = string | number | bigint | null;

/** One line of CSV as RFC 4180 defines it. Text that a spreadsheet would take for a formula is escaped. */
export function csvLine(values: readonly CsvValue[]): string {
  return values.map(cell).join(",");
}

function cell(value: CsvValue): string {
  if (value === null) return "";
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
