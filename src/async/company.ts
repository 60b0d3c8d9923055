/**
 * Lets callers through in groups, so that what they do next is done together: one at once, and those that come within `spacingMs`
 * of it at the end of that time, or as soon as `enough` of them wait.
 */
export function inCompany(spacingMs: () => number, enough: number): () => Promise<void> {
  let lastMs = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  let waiting: (() => void)[] = [];

  function open(): void {
    clearTimeout(timer);
    timer = undefined;
    lastMs = performance.now();
    const all = waiting;
    waiting = [];
    for (const go of all) go();
  }

  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      const waitMs = lastMs + spacingMs() - performance.now();
      if (waitMs <= 0 || waiting.length >= enough) open();
      else timer ??= setTimeout(open, waitMs);
    });
}
