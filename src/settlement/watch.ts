import type { ChainClient } from "../chain/client.ts";
import type { Horizon } from "../chain/horizon.ts";
import type { Clock } from "../clock.ts";
import { lookUpUses, readUsed } from "./nonceUses.ts";
import type { EnginePolicy } from "./policy.ts";
import { concludeUse } from "./sending/conclude.ts";
import type { Evidence, PaymentRow, PaymentState, Store, Transition } from "./store/types.ts";

/** Outcomes that the chain may still contradict, until it is final. */
export type OutcomeWatch = {
  /** A row as it is now. */
  readonly note: (row: PaymentRow) => void;
  /** Takes up what an earlier process left unproved. In pages, so that a long journal keeps nobody. */
  readonly load: (signal: AbortSignal) => Promise<void>;
  /** Looks at what is due. */
  readonly look: (horizon: Horizon) => Promise<void>;
};

export type WatchPort = {
  readonly store: Store;
  readonly client: ChainClient;
  readonly clock: Clock;
  readonly policy: EnginePolicy;
  readonly apply: (transitions: readonly Transition[]) => Promise<void>;
};

const WATCHED: readonly PaymentState[] = ["expired", "rejected", "settled-elsewhere", "already-used", "cancelled"];
/** Payments whose nonces are read together, and how many are remembered: beyond that, new ones are not followed. */
const AT_ONCE = 500;
const MAX_WATCHED = 100_000;
const PAGE = 1_000;
/** How often the transaction behind a used nonce is searched before the payment ends without it. */
const MAX_SEARCHES = 20;
/** After a restart, rejections and uses older than this are taken as they are. Expiries are not. */
const RECENT_MS = 24 * 3_600_000;

/**
 * Follows outcomes that are no settlement of ours until nothing can change them: an expiry becomes the proof that the
 * payment can never settle; a refusal stands until its deadline unless somebody else settled the payment meanwhile; a use
 * of the nonce by somebody else stands once its block is final, and is taken back where a reorg undid it.
 */
export function createOutcomeWatch(port: WatchPort): OutcomeWatch {
  /** Of each payment only when it is due: the row is read again then. */
  type Entry = { readonly dueSeconds: bigint } | { readonly dueBlock: bigint };
  const watched = new Map<number, Entry>();
  const searches = new Map<number, number>();

  function note(row: PaymentRow): void {
    const entry = entryOf(row);
    if (entry !== undefined && (watched.has(row.id) || watched.size < MAX_WATCHED)) watched.set(row.id, entry);
    else watched.delete(row.id);
  }

  function entryOf(row: PaymentRow): Entry | undefined {
    if (!isOpenEnded(row)) return undefined;
    const { evidence, state, deadlineSeconds } = row;
    if (state === "expired" || state === "rejected") return { dueSeconds: deadlineSeconds };
    return evidence.kind === "nonce-use" ? { dueBlock: evidence.blockNumber } : undefined;
  }

  async function look(horizon: Horizon): Promise<void> {
    const ids: number[] = [];
    // A proof that a deadline has passed takes both clocks: that of a node may be wrong.
    const ownSeconds = BigInt(Math.floor(port.clock.now() / 1000));
    const nowSeconds = ownSeconds < horizon.finalTimestamp ? ownSeconds : horizon.finalTimestamp;
    for (const [id, entry] of watched) {
      const isDue = "dueBlock" in entry ? entry.dueBlock <= horizon.final : entry.dueSeconds <= nowSeconds;
      if (isDue) ids.push(id);
      if (ids.length === AT_ONCE) break;
    }
    const due = (await port.store.changed(ids, -1)).filter(isOpenEnded);
    if (due.length < ids.length) {
      const still = new Set(due.map(({ id }) => id));
      for (const id of ids) if (!still.has(id)) watched.delete(id);
    }
    if (due.length === 0) return;
    const { used, blockNumber } = await readUsed(port.client, due);
    // What an answer from before the final block says is not final.
    if (blockNumber < horizon.final) return;
    const isUsed = ({ identity }: PaymentRow) => used.has(identity);
    const toExplain = due.filter((row) => isUsed(row) && (row.state === "expired" || row.state === "rejected"));
    const uses = await lookUpUses(port, toExplain);
    const transitions: Transition[] = [];
    for (const row of due) {
      const base = { paymentId: row.id, from: [row.state] };
      watched.delete(row.id);
      if (isUsed(row) && (row.state === "expired" || row.state === "rejected")) {
        const use = uses.get(row.id);
        const times = (searches.get(row.id) ?? 0) + 1;
        if ((use === undefined && times < MAX_SEARCHES) || (use !== undefined && use.blockNumber > horizon.final)) {
          // Not found yet, or it may still be undone. Behind the others, so that it keeps none of them.
          searches.set(row.id, times);
          watched.set(row.id, { dueSeconds: row.deadlineSeconds });
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
      const { client, store, clock } = port;
      for (let afterId = 0; !signal.aborted; ) {
        const query = { chainId: client.chain.id, states: WATCHED, afterId, limit: PAGE };
        const rows = await store.list(query);
        const since = clock.now() - RECENT_MS;
        for (const row of rows) if (row.state === "expired" || row.updatedAtMs >= since) note(row);
        const last = rows.at(-1);
        if (last === undefined || rows.length < PAGE) return;
        afterId = last.id;
      }
    },
  };
}

/** Whether the chain could still say something else. Outcomes of a batch are followed with the batch. */
function isOpenEnded({ state, evidence, work }: PaymentRow): boolean {
  if (work.kind !== "authorization") return false;
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
