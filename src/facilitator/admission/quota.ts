import type { Store } from "../../settlement/store/types.ts";
import type { Undo } from "./claims.ts";

const DAY_MS = 86_400_000;

/** What a caller may have of something in one day (UTC) is used up. `retryAfterSeconds`: until tomorrow. */
export class QuotaError extends Error {
  override readonly name = "QuotaError";
  readonly retryAfterSeconds: number;

  constructor(message: string, retryAfterSeconds: number) {
    super(message);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Something of which there is so much a day. */
export type Quota = {
  /** Unique in the journal; the day is added to it. */
  readonly name: string;
  readonly most: number;
  /** What is said where it is used up. */
  readonly message: string;
};

/** Counts `amount` against today's quota, which all processes on this journal share. @throws QuotaError where it is used up. */
export async function countToday(store: Store, quota: Quota, amount: number, nowMs: number): Promise<Undo> {
  const name = `${quota.name}:${new Date(nowMs).toISOString().slice(0, 10)}`;
  const undo = async (): Promise<void> => {
    await store.addTo(name, -amount);
  };
  if ((await store.addTo(name, amount)) <= quota.most) return undo;
  await undo();
  const tomorrowMs = (Math.floor(nowMs / DAY_MS) + 1) * DAY_MS;
  throw new QuotaError(quota.message, Math.ceil((tomorrowMs - nowMs) / 1000));
}
