/** A reason with its number, as it is shown to people and programs. */
export function reasonText(row: {
  readonly reason: string | undefined;
  readonly reasonCount: number | undefined;
}): string | undefined {
  const { reason, reasonCount } = row;
  return reason === undefined || reasonCount === undefined ? reason : `${reason}:${reasonCount}`;
}
