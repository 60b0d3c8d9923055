import type { Hex } from "viem";
import { authorizationId, termsDigest } from "../../authorization/identity.ts";
import { normaliseSignature } from "../../authorization/signature.ts";
import type { SignedAuthorization } from "../../authorization/types.ts";
import type { ChainClient } from "../../chain/client.ts";
import type { Clock } from "../../clock.ts";
import type { PaymentJournal, PaymentRow } from "../../journal/ports/payments.ts";
import { chunks } from "../../lists.ts";
import type { SettlementEngine } from "../engine/types.ts";
import { explainUsed } from "../outcome/explain.ts";
import { DUPLICATE } from "../outcome/results.ts";
import { retryRuleOf } from "../outcome/retry.ts";
import { type JobLedger, LOOK_MS } from "./ledger.ts";
import { outcomeOfRefusal } from "./rows.ts";

export type JobIntakePort = {
  readonly client: ChainClient;
  readonly journal: PaymentJournal;
  readonly clock: Clock;
  readonly ledger: JobLedger;
  readonly engine: SettlementEngine;
  /** The name that the journal keeps for the payment at a position of the input. */
  readonly sourceOf: (position: number) => string | undefined;
  /** If more payments than this are open, no further ones are accepted while something still happens to those. */
  readonly maxOpen: number;
  readonly signal: AbortSignal | undefined;
  /** Called after each step. */
  readonly tell: () => void;
};

/** How many payments are verified and stored at once. */
const ACCEPT_AT_ONCE = 500;
const STANDSTILL_MS = 5_000;

/**
 * Hands a job's payments to the engine. It stores those that the journal does not know, takes up those that it knows,
 * and looks up who used nonces that are used already. If it fails half-way, the first half is accepted and in the
 * ledger.
 * @throws ChainUnavailableError if the node does not answer, JournalError if the journal does not.
 */
export async function acceptPayments(port: JobIntakePort): Promise<void> {
  const { ledger, signal, tell } = port;
  const used: number[] = [];
  try {
    let waits = true;
    for (const some of chunks(ledger.rest(), ACCEPT_AT_ONCE)) {
      if (signal?.aborted === true) break;
      used.push(...(await acceptSome(port, some)));
      await ledger.look();
      tell();
      if (waits) waits = await untilRoom(port);
    }
  } finally {
    const outcomes = await explainUsed(port.client, used.map(ledger.authorizationAt));
    const explained = new Set<Hex>();
    for (const [i, position] of used.entries()) {
      const outcome = outcomes[i];
      const digest = termsDigest(ledger.authorizationAt(position));
      if (outcome !== undefined) ledger.decide(position, explained.has(digest) ? DUPLICATE : outcome);
      explained.add(digest);
    }
    tell();
  }
}

/**
 * Waits while more than `maxOpen` payments are open. Payments that are not accepted yet need only the caller's memory.
 * @returns False if nothing happened to the open payments for a while. They may wait for something far off, so it stops
 * waiting for them.
 */
async function untilRoom({ ledger, clock, maxOpen, signal, tell }: JobIntakePort): Promise<boolean> {
  while (ledger.open() > maxOpen && signal?.aborted !== true) {
    if (ledger.idleMs() >= STANDSTILL_MS) return false;
    await clock.sleep(LOOK_MS, signal);
    await ledger.look();
    tell();
  }
  return true;
}

/** Accepts payments of the job, by position. Returns the positions of those whose nonces were used before. */
async function acceptSome(port: JobIntakePort, positions: readonly number[]): Promise<number[]> {
  const { journal, clock, ledger, engine } = port;
  const known = await knownRows(journal, positions.map(ledger.authorizationAt));
  const again: PaymentRow[] = [];
  const fresh: number[] = [];
  for (const [i, position] of positions.entries()) {
    const row = known[i];
    if (row === undefined) fresh.push(position);
    else if (isWorthAnotherTry(row)) {
      again.push(row);
      ledger.waitFor(position, row);
    } else ledger.takeUp(position, row);
  }
  const evidence = { kind: "request", by: "a new run" } as const;
  await journal.transition(
    again.map(({ id }) => ({ paymentId: id, from: ["rejected"], to: "queued", evidence })),
    clock.now(),
  );
  if (fresh.length === 0) return [];

  const admissions = await engine.accept(
    fresh.map((position) => {
      const source = port.sourceOf(position);
      return { authorization: ledger.authorizationAt(position), ...(source === undefined ? {} : { source }) };
    }),
  );
  const used: number[] = [];
  for (const [i, position] of fresh.entries()) {
    const admission = admissions[i];
    if (admission?.status === "accepted") ledger.takeUp(position, admission.row);
    else if (admission?.reason === "already-used") used.push(position);
    else if (admission !== undefined) ledger.decide(position, outcomeOfRefusal(admission));
  }
  return used;
}

/**
 * Whether a rejected payment is tried again, because the reason may have passed or the operator may have removed it.
 */
function isWorthAnotherTry({ state, reason }: PaymentRow): boolean {
  return state === "rejected" && retryRuleOf({ state, reason }) !== "never";
}

/**
 * The rows of exactly these terms, if the journal has them with this signature. With another signature, anybody may
 * have made up the submission, so the engine looks at it.
 */
async function knownRows(
  journal: PaymentJournal,
  authorizations: readonly SignedAuthorization[],
): Promise<(PaymentRow | undefined)[]> {
  const rows = await journal.withIdentities(authorizations.map(authorizationId));
  if (rows.length === 0) return authorizations.map(() => undefined);
  const byDigest = new Map(rows.map((row) => [row.digest, row]));
  return authorizations.map((authorization) => {
    const row = byDigest.get(termsDigest(authorization));
    return row !== undefined && hasSignature(row, authorization) ? row : undefined;
  });
}

function hasSignature({ work }: PaymentRow, { signature }: SignedAuthorization): boolean {
  if (work.kind !== "authorization") return false;
  const stored = work.authorization.signature.toLowerCase();
  return stored === signature.toLowerCase() || stored === normaliseSignature(signature).toLowerCase();
}
