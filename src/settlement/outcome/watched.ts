/** When to look at a watched payment: at its end, in Unix seconds, or at a block. */
export type Due = { readonly dueSeconds: bigint } | { readonly dueBlock: bigint };

/** Payments that are watched. Only the payer and the due time of each are kept. */
export type Watched = {
  readonly size: () => number;
  readonly has: (id: number) => boolean;
  readonly set: (id: number, payer: string, due: Due) => void;
  readonly delete: (id: number) => void;
  /**
   * Up to `limit` payments that are due. Every payer has a first turn before anyone has a second. Within a turn, the
   * nearest end comes first, and so it is among one payer's payments. So a payer with many payments keeps only
   * themselves waiting.
   */
  readonly due: (isDue: (due: Due) => boolean, limit: number) => readonly number[];
};

/** How many a full list removes at once to make room, in thousandths of its size. */
const ROOM_PERMILLE = 100;

type Entry = { readonly id: number; readonly payer: string; readonly due: Due };

/**
 * @param most The most that are watched. Beyond that, those that would have their turn last, by the order of {@link
 * Watched.due}, are removed.
 * @param letGo Called with how many were removed.
 */
export function createWatched(most: number, letGo: (count: number) => void): Watched {
  const entries = new Map<number, Entry>();

  function makeRoom(): void {
    const count = Math.max(1, Math.floor((most * ROOM_PERMILLE) / 1_000));
    const ordered = inTurns([...entries.values()]);
    for (const { id } of ordered.slice(ordered.length - count)) entries.delete(id);
    letGo(count);
  }

  return {
    size: () => entries.size,
    has: (id) => entries.has(id),
    set: (id, payer, due) => {
      if (!entries.has(id) && entries.size >= most) makeRoom();
      // Put it behind the others with the same end.
      entries.delete(id);
      entries.set(id, { id, payer, due });
    },
    delete: (id) => void entries.delete(id),
    due: (isDue, limit) => {
      const found = [...entries.values()].filter(({ due }) => isDue(due));
      return (found.length <= limit ? found : inTurns(found).slice(0, limit)).map(({ id }) => id);
    },
  };
}

/**
 * By turns of their payers, and within a turn by their ends. What waits for a block comes before what waits for a time.
 */
function inTurns(entries: readonly Entry[]): readonly Entry[] {
  const byEnd = [...entries].sort((a, b) => compare(a.due, b.due));
  const turns = new Map<string, number>();
  const placed = byEnd.map((entry, place) => {
    const turn = turns.get(entry.payer) ?? 0;
    turns.set(entry.payer, turn + 1);
    return { entry, turn, place };
  });
  return placed.sort((a, b) => a.turn - b.turn || a.place - b.place).map(({ entry }) => entry);
}

function compare(a: Due, b: Due): number {
  const [first, second] = ["dueBlock" in a ? -1n : a.dueSeconds, "dueBlock" in b ? -1n : b.dueSeconds];
  return first < second ? -1 : first > second ? 1 : 0;
}
