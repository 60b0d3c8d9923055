import type { Request } from "../node/port.ts";
import { type ChainTime, readChainTime, secondsNow, timeAt } from "./clock.ts";
import type { Notifications } from "./notifications.ts";
import type { Schedule } from "./schedule.ts";
import { type BuiltBlock, tryBlock } from "./tryBlock.ts";

/** Builds one block after the other. Nothing else may be asked of the node while one of its functions runs. */
export type Builder = {
  /** The block so far; undefined while transactions are mined at once. */
  readonly current: () => BuiltBlock | undefined;
  /** Says that the next step has something to do. After `changed`, what is preconfirmed may have other results. */
  readonly note: (what: "sent" | "changed") => void;
  /** Whether transactions are mined at once, so that none is preconfirmed. */
  readonly setAutomine: (isOn: boolean) => void;
  /** Says that the time of the next block was set to a fixed one. */
  readonly fixTime: () => void;
  /** Reads the clock again: a request has moved it. */
  readonly readClock: () => Promise<void>;
  /** Begins a block on top of the newest one, and preconfirms what waits. */
  readonly begin: () => Promise<void>;
  /** Preconfirms what came since the last step. */
  readonly step: () => Promise<void>;
  /**
   * Preconfirms the rest, takes a share back, makes the block, and begins the next one.
   * @param when The time that the block has: the planned one, or that of the chain's clock. A function makes it instead.
   */
  readonly finish: (when: "planned" | "now" | (() => Promise<unknown>)) => Promise<unknown>;
};

export function createBuilder(options: {
  readonly request: Request;
  readonly schedule: Pick<Schedule, "blockDueMs">;
  readonly notifications: Notifications;
  readonly takeBack: (block: BuiltBlock) => Promise<void>;
}): Builder {
  const { request, schedule, notifications, takeBack } = options;
  let current: BuiltBlock | undefined;
  let noted: "nothing" | "sent" | "changed" = "nothing";
  let automine = false;
  let isTimeFixed = false;
  /** The block's time by the schedule: the same in each step, so that a transaction has the same result. */
  let planned: ChainTime | undefined;
  let announced = new Set<string>();

  async function plan(): Promise<void> {
    const time = await readChainTime(request);
    const waitMs = schedule.blockDueMs() - performance.now();
    // Two milliseconds less, so that the clocks agree that the second has begun when the block is made.
    const machineSeconds = Number.isFinite(waitMs)
      ? Math.max(time.machineSeconds, Math.floor((Date.now() + waitMs - 2) / 1000))
      : time.machineSeconds;
    planned = { timestamp: timeAt(time, machineSeconds), machineSeconds };
  }

  async function build(): Promise<void> {
    const before = noted === "changed" ? undefined : current;
    noted = "nothing";
    try {
      current = await tryBlock(request, notifications.hiding, isTimeFixed ? undefined : planned?.timestamp, before);
    } catch (error) {
      noted = "changed";
      throw error;
    }
    for (const [hash, { transaction, receipt }] of current.transactions) {
      if (announced.has(hash)) continue;
      announced.add(hash);
      notifications.announce(transaction, receipt);
    }
  }

  async function begin(): Promise<void> {
    current = undefined;
    announced = new Set();
    if (automine) return;
    await plan();
    await build();
  }

  async function step(): Promise<void> {
    if (!automine && noted !== "nothing") await build();
  }

  /**
   * Makes the block at a time of its own. The node would count its clock from there, so the clock is set right after it.
   */
  async function mineAt(time: ChainTime): Promise<unknown> {
    const made = await request("evm_mine", [Number(time.timestamp)]);
    const shown = await readChainTime(request);
    const lateSeconds = timeAt(time, shown.machineSeconds) - shown.timestamp;
    if (lateSeconds > 0n) await request("evm_increaseTime", [Number(lateSeconds)]);
    return made;
  }

  async function mine(when: "planned" | "now"): Promise<unknown> {
    if (automine || isTimeFixed || planned === undefined) return request("evm_mine");
    if (when === "planned") return mineAt(planned);
    const machineSeconds = secondsNow();
    return mineAt({ timestamp: timeAt(planned, machineSeconds), machineSeconds });
  }

  return {
    current: () => current,
    note: (what) => {
      if (noted !== "changed") noted = what;
    },
    setAutomine: (isOn) => {
      automine = isOn;
    },
    fixTime: () => {
      isTimeFixed = true;
    },
    readClock: plan,
    begin,
    step,
    finish: async (when) => {
      await step();
      if (current !== undefined) await takeBack(current);
      const made = await (typeof when === "function" ? when() : mine(when));
      isTimeFixed = false;
      await begin();
      return made;
    },
  };
}
