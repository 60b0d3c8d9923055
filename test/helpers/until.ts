/** Ends a wait that would never end: a limit for a test that hangs, not a measure of speed. */
const HANGS_AFTER_MS = 240_000;
const LOOK_AGAIN_MS = 10;

/**
 * Waits until `condition` holds, and returns what it found. Neither undefined nor false counts as found.
 * @param what What is waited for, for the message; by default the source of the condition.
 */
export async function until<T>(
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  what = String(condition),
): Promise<T> {
  const end = performance.now() + HANGS_AFTER_MS;
  for (;;) {
    const found = await condition();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`it did not happen within ${HANGS_AFTER_MS / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}
