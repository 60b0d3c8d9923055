import type { Address, Hex } from "viem";
import type { Clock } from "../clock.ts";
import type { Logger } from "../logger.ts";

const AGAIN_AFTER_MS = 60_000;

/** Something that a person has to look at. It is told once a minute while it lasts. */
export type KeeperAlert = {
  readonly kind: /** Half of a withdrawal's delay has passed, or more, and something is still unclaimed. */
    | "claim-in-danger"
    /** There is something to claim, but no key to claim it with. */
    | "key-missing"
    /** The sending key has too little for the gas. */
    | "purse-low"
    /** A voucher cannot be claimed. */
    | "bad-voucher"
    | "call-failed";
  readonly message: string;
  readonly channelId?: Hex;
  readonly address?: Address;
};

/** Logs and tells alerts; those of one kind about the same thing at most once a minute. */
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
