import type { Address } from "viem";
import type { DevelopmentNode, Request } from "../node/port.ts";
import { answering } from "./answers.ts";
import { createBuilder } from "./builder.ts";
import { createGate } from "./gate.ts";
import { createNotifications } from "./notifications.ts";
import { createSchedule } from "./schedule.ts";
import { createTakeBack } from "./takeBack.ts";

/** How a chain preconfirms. */
export type PreconfirmOptions = {
  readonly blockTimeMs: number;
  /** Milliseconds between steps. */
  readonly preconfirmMs: number;
  /** From 0 to 1. */
  readonly takenBackShare: number;
  /** What this account sends is never taken back. */
  readonly spared: Address;
};

/**
 * A node that builds its blocks in steps, as a sequencer with Flashblocks does, and answers from the block that is being
 * built. It makes the blocks itself, so the node behind it must have automine off and order transactions by arrival.
 *
 * The block is tried anew at each step: mined, read, and taken back. Meanwhile, requests wait.
 */
export async function preconfirming(node: DevelopmentNode, options: PreconfirmOptions): Promise<DevelopmentNode> {
  const { blockTimeMs, preconfirmMs, takenBackShare, spared } = options;
  const gate = createGate();
  const notifications = createNotifications(node);
  const schedule = createSchedule(
    preconfirmMs,
    () => blockTimeMs,
    () => performance.now(),
  );
  const takeBack = createTakeBack(node.request, takenBackShare, spared);
  const builder = createBuilder({ request: node.request, schedule, notifications, takeBack });
  await builder.begin();

  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;

  async function turn(): Promise<void> {
    // Asked only now: while this waited for its turn, a request may have changed the schedule.
    const due = stopped ? undefined : schedule.take();
    if (due === "block") await builder.finish("planned");
    else if (due === "step") await builder.step();
  }

  function arm(): void {
    clearTimeout(timer);
    if (stopped || running !== undefined) return;
    timer = setTimeout(
      () => {
        // Only the chain's end makes the node fail here. Otherwise, the next step tries again.
        running = gate
          .alone(turn)
          .catch(() => undefined)
          .finally(() => {
            running = undefined;
            arm();
          });
      },
      Math.max(0, schedule.nextMs() - performance.now()),
    );
  }

  arm();
  const request: Request = answering({ request: node.request, gate, builder, notifications, schedule, rearm: arm });
  return {
    request,
    onNotification: notifications.onNotification,
    close: async () => {
      stopped = true;
      clearTimeout(timer);
      await running;
      await node.close();
    },
  };
}
