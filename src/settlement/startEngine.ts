import { systemClock } from "../clock.ts";
import { createSettlementEngine, type EngineOptions, SenderHeldError, type SettlementEngine } from "./engine.ts";
import { DEFAULT_POLICY } from "./policy.ts";

/** How long it takes at most until a lease that is alive is renewed, as a share of its life. */
const RENEWED_WITHIN = 0.5;

/**
 * {@link createSettlementEngine}, patient with a dead predecessor: where a key is held, it waits until the lease ends, and
 * gives up only when the lease is renewed, because then its owner is alive.
 * @param onWait Told once, with the time that it may take.
 * @throws SenderHeldError where another engine is sending from a key, or `signal` aborts while it waits.
 */
export async function startEngine(
  options: EngineOptions,
  { onWait, signal }: { readonly onWait?: (waitMs: number) => void; readonly signal?: AbortSignal | undefined } = {},
): Promise<SettlementEngine> {
  const clock = options.clock ?? systemClock;
  const leaseTtlMs = options.policy?.leaseTtlMs ?? DEFAULT_POLICY.leaseTtlMs;
  const first = await leases(options);
  let told = false;
  for (;;) {
    try {
      return await createSettlementEngine(options);
    } catch (error) {
      if (!(error instanceof SenderHeldError) || signal?.aborted === true) throw error;
      const nowMs = clock.now();
      const held = [...(await leases(options))].filter(([, { expiresAtMs }]) => expiresAtMs > nowMs);
      const isAlive = held.some(([sender, { epoch, expiresAtMs }]) => {
        const before = first.get(sender);
        return before === undefined || before.epoch !== epoch || before.expiresAtMs !== expiresAtMs;
      });
      if (isAlive) throw error;
      const waitMs = Math.max(0, ...held.map(([, { expiresAtMs }]) => expiresAtMs - nowMs)) + 10;
      if (!told) onWait?.(waitMs);
      told = true;
      await clock.sleep(Math.min(waitMs, leaseTtlMs * RENEWED_WITHIN), signal);
    }
  }
}

async function leases({ store, chain, senders }: EngineOptions) {
  const mine = new Set(senders.map(({ address }) => address));
  const rows = await store.senders(chain.client.chain.id);
  return new Map(rows.filter(({ sender }) => mine.has(sender)).map((row) => [row.sender, row] as const));
}
