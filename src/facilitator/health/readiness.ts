import type { ChainClient } from "../../chain/client.ts";
import type { Clock } from "../../clock.ts";
import type { JournalError } from "../../journal/ports/errors.ts";
import type { HealthJournal } from "../../journal/ports/health.ts";
import type { SettlementEngine } from "../../settlement/engine/types.ts";
import { nameError } from "./log.ts";
import { type SharedBounds, sharedLook } from "./shared.ts";

export type ReadinessPort = {
  readonly journal: HealthJournal;
  readonly client: ChainClient;
  readonly engine: Pick<SettlementEngine, "accounts">;
  readonly clock: Clock;
  /** How old the newest block may be, in seconds; undefined for no bound. */
  readonly maxHeadAgeSeconds: number | undefined;
  readonly isClosing: () => boolean;
};

/** Whether payments can be settled at this moment. */
export type Readiness = {
  /**
   * Why payments cannot be settled; undefined if they can. It tries a write in the journal, and checks the newest block and the
   * keys.
   */
  readonly problem: () => Promise<string | undefined>;
  /**
   * Why the journal takes no payment: its last write failed, and no probe has succeeded since. All who ask in the meantime share
   * one probe.
   */
  readonly journalFault: () => Promise<JournalError | undefined>;
};

/** However many ask, there is one look a second, and nobody waits long for a disk, a database or a node that hangs. */
const BOUNDS: SharedBounds = { everyMs: 1_000, withinMs: 3_000 };

export function createReadiness(port: ReadinessPort): Readiness {
  const { journal, client, engine, clock, maxHeadAgeSeconds } = port;

  const journalLook = sharedLook<string | undefined>(
    clock,
    BOUNDS,
    "the journal does not take a write in time",
    async () => {
      try {
        await journal.probe();
        return undefined;
      } catch (error) {
        return nameError(error);
      }
    },
  );

  const chain = sharedLook<string | undefined>(clock, BOUNDS, "the node does not answer in time", async () => {
    try {
      const [head, balances] = await Promise.all([
        client.getBlock({ blockTag: "latest" }),
        Promise.all(engine.accounts().map(({ address }) => client.getBalance({ address }))),
      ]);
      const ageSeconds = Math.floor(clock.now() / 1000) - Number(head.timestamp);
      if (maxHeadAgeSeconds !== undefined && ageSeconds > maxHeadAgeSeconds) {
        return `the node's newest block is ${ageSeconds} s old, more than ${maxHeadAgeSeconds} s`;
      }
      return balances.every((wei) => wei === 0n) ? "no key has ether for gas" : undefined;
    } catch (error) {
      return nameError(error);
    }
  });

  return {
    problem: async () => {
      if (port.isClosing()) return "the facilitator is stopping";
      const accounts = engine.accounts();
      if (accounts.every(({ paused }) => paused !== undefined)) {
        return `no key can send: ${accounts.map(({ address, paused }) => `${address} ${paused}`).join(", ")}`;
      }
      const [ofJournal, ofChain] = await Promise.all([journalLook(), chain()]);
      return ofJournal ?? ofChain;
    },
    journalFault: async () => {
      if (journal.fault() !== undefined) await journalLook();
      return journal.fault();
    },
  };
}
