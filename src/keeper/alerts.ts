import type { Clock } from "../clock.ts";
import type { Logger } from "../logger.ts";
import type { KeeperAlert } from "./types.ts";

const AGAIN_AFTER_MS = 60_000;

/** Says alerts, each about the same thing once a minute. */
export function createAlerts(clock: Clock, logger: Logger, tell: (alert: KeeperAlert) => void) {
  const saidAtMs = new Map<string, number>();
  return {
    say: (alert: KeeperAlert, about: string): void => {
      const name = `${alert.kind} ${about}`;
      const nowMs = clock.now();
      if (nowMs - (saidAtMs.get(name) ?? Number.NEGATIVE_INFINITY) < AGAIN_AFTER_MS) return;
      for (const [key, atMs] of saidAtMs) if (nowMs - atMs >= AGAIN_AFTER_MS) saidAtMs.delete(key);
      saidAtMs.set(name, nowMs);
      const { kind, message, channelId, address } = alert;
      const level = kind === "claim-in-danger" || kind === "key-missing" ? "error" : "warn";
      logger[level](`keeper: ${message}`, {
        kind,
        ...(channelId === undefined ? {} : { channelId }),
        ...(address === undefined ? {} : { address }),
      });
      tell(alert);
    },
  };
}
