import type { ChainClient } from "../../chain/client.ts";
import type { Horizon } from "../../chain/horizon.ts";
import type { Clock } from "../../clock.ts";
import { secondsNow } from "../../clock.ts";
import type { Evidence } from "../../journal/ports/evidence.ts";
import type { PaymentJournal } from "../../journal/ports/payments.ts";
import {
  type AuthorizationRow,
  isAuthorization,
  type PaymentRow,
  type PaymentState,
  type Transition,
} from "../../journal/ports/payments.ts";
import { concludeUse } from "./receipts/conclude.ts";
import { lookUpUses, readUsedIdentities } from "./receipts/nonceUses.ts";
import { createWatched, type Due } from "./watched.ts";

/** Follows outcomes that the chain may still contradict, until it is final. */
export type OutcomeWatch = {
  /** A row as it is now. */
  readonly note: (row: PaymentRow) => void;
  /** Takes up what an earlier process left unproved. It reads pages, so that a long journal blocks nobody. */
  readonly load: (signal: AbortSignal) => Promise<void>;
  /**
   * Looks at what is due, {@link AT_ONCE} at most: every payer's first before anybody's second, the nearest end first.
   * So a payment has its turn within as many looks as there are payers due before it, divided by {@link AT_ONCE}, and
   * one.
   */
  readonly look: (horizon: Horizon) => Promise<void>;
};

export type WatchPort = {
  readonly journal: PaymentJournal;
  readonly client: ChainClient;
  readonly clock: Clock;
  readonly apply: (transitions: readonly Transition[]) => Promise<unknown>;
  /** How many are remembered; {@link MAX_WATCHED} by default. */
  readonly maxWatched?: number;
};

const WATCHED: readonly PaymentState[] = ["expired", "rejected", "settled-elsewhere", "already-used", "cancelled"];
/** Payments whose nonces are read together, and how many are remembered. */
const AT_ONCE = 500;
const MAX_WATCHED = 100_000;
/**
 * A refusal whose deadline is farther ahead than this stands as it is: somebody else may still submit the payment for
 * years.
 */
const FOLLOWED_SECONDS = 30n * 86_400n;
const PAGE = 1_000;
/** How often the transaction behind a used nonce is searched before the payment ends without it. */
const MAX_SEARCHES = 20;
/** After a restart, rejections and uses older than this are taken as they are. Expiries are not. */
const RECENT_MS = 24 * 3_600_000;

/**
 * Follows outcomes that are no settlement of ours until nothing can change them: an expiry becomes the proof that the
 * payment can never settle; a refusal stands until its deadline unless somebody else settled the payment meanwhile; a
 * use of the nonce by somebody else stands once its block is final, and is taken back where a reorg undid it.
 */
export function createOutcomeWatch(port: WatchPort): OutcomeWatch {
  const { maxWatched = MAX_WATCHED } = port;
  /** As many as fit if it is half empty. */
  const page = Math.min(PAGE, Math.floor(maxWatched / 2));
  /** The id from which the journal is read again for what had no room; undefined if nothing is missing. */
  let missingAfterId: number | undefined;
  const watched = createWatched(maxWatched, () => {
    missingAfterId = 0;
  });
  const searches = new Map<number, number>();

  function note(row: PaymentRow): void {
    const due = dueOf(row);
    if (due === undefined || !isAuthorization(row)) watched.delete(row.id);
    else watched.set(row.id, payerOf(row), due);
  }

  function dueOf(row: PaymentRow): Due | undefined {
    if (!isOpenEnded(row)) return undefined;
    const { evidence, state, deadlineSeconds } = row;
    if (state === "rejected") {
      const latest = secondsNow(port.clock) + FOLLOWED_SECONDS;
      return deadlineSeconds > latest ? undefined : { dueSeconds: deadlineSeconds };
    }
    if (state === "expired") return { dueSeconds: deadlineSeconds };
    return evidence.kind === "nonce-use" ? { dueBlock: evidence.blockNumber } : undefined;
  }

  /** A page of the journal, as far as it is followed. Resolves with the last id of a full page. */
  async function takeUp(afterId: number): Promise<number | undefined> {
    const query = { chainId: port.client.chain.id, states: WATCHED, afterId, limit: page };
    const rows = await port.journal.list(query);
    const since = port.clock.now() - RECENT_MS;
    for (const row of rows) if (row.state === "expired" || row.updatedAtMs >= since) note(row);
    return rows.length < page ? undefined : rows.at(-1)?.id;
  }

  async function look(horizon: Horizon): Promise<void> {
    // At half its size there is room again for what it had to leave out.
    if (missingAfterId !== undefined && watched.size() <= maxWatched / 2) missingAfterId = await takeUp(missingAfterId);
    // A proof that a deadline has passed takes both clocks: that of a node may be wrong.
    const ownSeconds = secondsNow(port.clock);
    const nowSeconds = ownSeconds < horizon.finalTimestamp ? ownSeconds : horizon.finalTimestamp;
    const ids = watched.due((due) => {
      return "dueBlock" in due ? due.dueBlock <= horizon.final : due.dueSeconds <= nowSeconds;
    }, AT_ONCE);
    const due = (await port.journal.withIds(ids)).filter(isOpenEnded);
    if (due.length < ids.length) {
      const still = new Set(due.map(({ id }) => id));
      for (const id of ids) if (!still.has(id)) watched.delete(id);
    }
    if (due.length === 0) return;
    const { used, blockNumber } = await readUsedIdentities(port.client, due);
    // An answer from before the final block is not final.
    if (blockNumber < horizon.final) return;
    const isUsed = ({ identity }: PaymentRow) => used.has(identity);
    const toExplain = due.filter((row) => isUsed(row) && (row.state === "expired" || row.state === "rejected"));
    const uses = await lookUpUses(port.client, toExplain);
    const transitions: Transition[] = [];
    for (const row of due) {
      const base = { paymentId: row.id, from: [row.state] };
      watched.delete(row.id);
      if (isUsed(row) && (row.state === "expired" || row.state === "rejected")) {
        const use = uses.get(row.id);
        const times = (searches.get(row.id) ?? 0) + 1;
        if ((use === undefined && times < MAX_SEARCHES) || (use !== undefined && use.blockNumber > horizon.final)) {
          // Not found yet, or it may still be undone. It goes behind the others, so it keeps none of them waiting.
          searches.set(row.id, times);
          watched.set(row.id, payerOf(row), { dueSeconds: row.deadlineSeconds });
          continue;
        }
        searches.delete(row.id);
        transitions.push({ ...base, ...concludeUse(use, row, horizon.final) });
      } else if (row.state === "expired") {
        transitions.push({ ...base, to: "expired", reason: "expired", evidence: proofOf(horizon) });
      } else if (!isUsed(row) && row.state !== "rejected") {
        const why = "the transaction that used its nonce left the chain";
        const evidence: Evidence = { kind: "returned", why, transactionHash: undefined };
        transitions.push({ ...base, to: "queued", evidence });
      }
    }
    await port.apply(transitions);
  }

  return {
    note,
    look,
    load: async (signal) => {
      let afterId: number | undefined = 0;
      while (afterId !== undefined && !signal.aborted) afterId = await takeUp(afterId);
    },
  };
}

function payerOf({ work }: AuthorizationRow): string {
  return work.authorization.from.toLowerCase();
}

/** Whether the chain could still say something else. Outcomes of a batch are followed with the batch. */
function isOpenEnded(row: PaymentRow): row is AuthorizationRow {
  if (!isAuthorization(row)) return false;
  const { state, evidence } = row;
  switch (state) {
    case "expired":
      return evidence.kind !== "deadline" || !evidence.final;
    case "rejected":
      return true;
    case "settled-elsewhere":
    case "already-used":
    case "cancelled":
      return evidence.kind === "nonce-use";
    default:
      return false;
  }
}

/** That a payment with a free nonce can never settle any more, once its deadline is behind this block. */
function proofOf(horizon: Horizon): Evidence {
  return {
    kind: "deadline",
    blockNumber: horizon.final,
    blockTimestamp: horizon.finalTimestamp,
    final: true,
  };
}
