/** When a watched payment is to be looked at: its end, in Unix seconds, or a block. */
export type Due = { readonly dueSeconds: bigint } | { readonly dueBlock: bigint };

/** Payments that are watched: of each no more than its payer and when it is due. */
export type Watched = {
  readonly size: () => number;
  readonly has: (id: number) => boolean;
  readonly set: (id: number, payer: string, due: Due) => void;
  readonly delete: (id: number) => void;
  /**
   * Up to `limit` that are due. Every payer has a turn before one has a second; each payer's come by their ends, the nearest
   * first, and so do the payers. So whoever has many of them keeps nobody waiting but themselves.
   */
  readonly due: (isDue: (due: Due) => boolean, limit: number) => readonly number[];
};

/** A full list makes room for so many at once, in thousandths of its size. */
const ROOM_PERMILLE = 100;

type Entry = { readonly id: number; readonly payer: string; readonly due: Due };

/**
 * @param most That are watched. Beyond that it lets go of those that would have their turn last, by the order of
 * {@link Watched.due}.
 * @param letGo Told when it did.
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
      // Behind the others of its moment.
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

/** By turns of their payers, and within a turn by their ends. What waits for a block comes before what waits for a time. */
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
