/** A time for people: `40 s`, `3 min`, `2 h 10 min`, `3 days`. */
export function describeSeconds(seconds: number): string {
  if (seconds < 55) return `${Math.max(5, Math.round(seconds / 5) * 5)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const tens = Math.round(minutes / 10);
  const [hours, rest] = [Math.floor(tens / 6), (tens % 6) * 10];
  if (hours < 48) return rest === 0 ? `${hours} h` : `${hours} h ${rest} min`;
  return `${Math.round(hours / 24)} days`;
}

/** How long ago something happened, for people. The clocks of two machines may differ by some seconds. */
export function describeAge(atMs: number, nowMs: number): string {
  const seconds = (nowMs - atMs) / 1000;
  return seconds < 2.5 ? "just now" : `${describeSeconds(seconds)} ago`;
}
