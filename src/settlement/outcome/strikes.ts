import type { Address } from "viem";
import type { AuthorizationRow } from "../../journal/ports/payments.ts";
import type { SettlementPort } from "../port.ts";

// Accounts that cost gas although their pre-flight had passed get strikes. Each further strike holds them back for
// twice as long.

/** What strikes are read from and noted in. */
export type StrikePort = Pick<SettlementPort, "journal" | "client" | "clock">;

/** How many strikes accounts (in lower case) have, and until when they are held back. */
export type Strikes = ReadonlyMap<string, { readonly strikes: number; readonly untilMs: number }>;

/** How long after the end of its wait a strike is forgotten. */
const MEMORY_MS = 86_400_000;
const MAX_DOUBLINGS = 16;

/** The strikes of accounts that are not forgotten. */
export async function readStrikes(port: StrikePort, accounts: readonly Address[]): Promise<Strikes> {
  const { journal, client, clock } = port;
  const all = new Map(accounts.map((account) => [account.toLowerCase(), account]));
  if (all.size === 0) return new Map();
  const known = await journal.strikes(client.chain.id, [...all.values()]);
  const since = clock.now() - MEMORY_MS;
  return new Map(
    [...known].flatMap(([account, entry]) => (entry.untilMs < since ? [] : [[account.toLowerCase(), entry] as const])),
  );
}

/**
 * Notes a strike against each of these accounts.
 * @param firstMs How long the first strike holds them back; with 0 this one does not.
 */
export async function strike(port: StrikePort, accounts: readonly Address[], firstMs: number): Promise<void> {
  const { journal, client, clock } = port;
  const before = await readStrikes(port, accounts);
  const nowMs = clock.now();
  for (const [lower, account] of new Map(accounts.map((account) => [account.toLowerCase(), account]))) {
    const waitMs = firstMs * 2 ** Math.min(before.get(lower)?.strikes ?? 0, MAX_DOUBLINGS);
    await journal.strike(client.chain.id, account, nowMs + waitMs, nowMs - MEMORY_MS);
  }
}

/** Accounts that are held back, in lower case, and until when. */
export type HeldAccounts = ReadonlyMap<string, number>;

/** Of these accounts, those that are held back now. */
export function heldOf(strikes: Strikes, nowMs: number): HeldAccounts {
  return new Map(
    [...strikes].flatMap(([account, { untilMs }]) => (untilMs > nowMs ? [[account, untilMs] as const] : [])),
  );
}

/** Who pays these payments. */
export function payersOf(rows: readonly AuthorizationRow[]): Address[] {
  return rows.map(({ work }) => work.authorization.from);
}
