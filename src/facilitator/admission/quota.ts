import type { Clock } from "../../clock.ts";
import type { NoteJournal } from "../../journal/ports/notes.ts";
import type { Undo } from "./claims.ts";

const DAY_MS = 86_400_000;
/** The prefix of the names of all daily counters. The day follows, so that old days are found together. */
const PREFIX = "day:";

/** A quota of one day (UTC) is used up. `retryAfterSeconds` is the time until the next day. */
export class QuotaError extends Error {
  override readonly name = "QuotaError";
  readonly retryAfterSeconds: number;

  constructor(message: string, retryAfterSeconds: number) {
    super(message);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** An amount of something that is limited per day. */
export type Quota = {
  /** Its name, unique in the journal. The day is added to it. */
  readonly name: string;
  readonly amount: number;
  readonly most: number;
  /** The message if it is used up. */
  readonly message: string;
};

/** Daily counts, shared by all processes on a journal. */
export type DailyCounts = {
  /** Counts all of them or none. @throws QuotaError naming the first that is used up. */
  readonly take: (quotas: readonly Quota[]) => Promise<Undo>;
  /** Checks that {@link DailyCounts.take} would pass now, and counts nothing. @throws QuotaError if it would not. */
  readonly check: (quotas: readonly Quota[]) => Promise<void>;
};

export function createDailyCounts(journal: NoteJournal, clock: Clock): DailyCounts {
  let forgotten: string | undefined;

  function used({ message }: Quota): QuotaError {
    const nowMs = clock.now();
    const tomorrowMs = (Math.floor(nowMs / DAY_MS) + 1) * DAY_MS;
    return new QuotaError(message, Math.ceil((tomorrowMs - nowMs) / 1000));
  }

  function today(): string {
    return `${PREFIX}${new Date(clock.now()).toISOString().slice(0, 10)}:`;
  }

  /** Removes the counters of past days. A journal keeps those of today and yesterday. */
  async function forgetOld(): Promise<void> {
    const yesterday = `${PREFIX}${new Date(clock.now() - DAY_MS).toISOString().slice(0, 10)}:`;
    if (forgotten === yesterday) return;
    forgotten = yesterday;
    await journal.forgetNotes(PREFIX, yesterday);
  }

  return {
    take: async (quotas) => {
      if (quotas.length === 0) return async () => undefined;
      await forgetOld();
      const day = today();
      const named = quotas.map((quota) => ({ ...quota, name: `${day}${quota.name}` }));
      const full = await journal.addWithin(named);
      if (full !== undefined) throw used(quotas[full]!);
      return async () => {
        const most = Number.MAX_SAFE_INTEGER;
        await journal.addWithin(named.map(({ name, amount }) => ({ name, amount: -amount, most })));
      };
    },
    check: async (quotas) => {
      const day = today();
      const counts = await Promise.all(quotas.map(({ name }) => journal.cursor(`${day}${name}`)));
      const full = quotas.find(({ amount, most }, index) => Number(counts[index] ?? 0) + amount > most);
      if (full !== undefined) throw used(full);
    },
  };
}
