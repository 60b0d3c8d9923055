/** A reason with its number, as people and programs are shown it. */
export function reasonText(row: {
  readonly reason: string | undefined;
  readonly reasonCount: number | undefined;
}): string | undefined {
  const { reason, reasonCount } = row;
  return reason === undefined || reasonCount === undefined ? reason : `${reason}:${reasonCount}`;
}
