import { type Hex, isAddressEqual } from "viem";
import { alarm } from "../../clock.ts";
import { describeError } from "../../failures.ts";
import type { KeeperCall, PaymentRow } from "../../journal/index.ts";
import { isDecided } from "../../journal/ports/payments.ts";
import type { Logger } from "../../logger.ts";
import type { SettlementEngine } from "../../settlement/engine/types.ts";
import { callIdentity } from "../../settlement/intake/callIdentity.ts";
import { noteTransaction } from "../channels/events.ts";
import { changeRows } from "../channels/rows.ts";
import { lookAt, lookAtReceivers, type WatchPort } from "../channels/watch.ts";
import { activitiesOf, type KeeperActivity } from "./activity.ts";

/** How long to wait for a call after its time to be sent is over. What was sent by then is mined by now, or stuck. */
const RUN_LONGER_MS = 30_000;

/** What became of a call. */
export type CallResult = {
  readonly call: KeeperCall;
  /**
   * The call's row in the journal. Undefined if the call was not decided in time, or the engine closed or failed: then
   * it stays open. Also undefined if the engine refused the call: then it is forgotten.
   */
  readonly row: PaymentRow | undefined;
  /** Present if somebody else had done the same before, with the transaction if it is another call of this journal. */
  readonly elsewhere?: { readonly transaction: Hex | undefined } | undefined;
};

export type CallRunner = {
  /** Stores a call and hands it to the engine. `ended` never rejects. */
  readonly start: (call: KeeperCall) => Promise<{ readonly ended: Promise<CallResult> }>;
  /**
   * Does what `start` does, and waits for the result, but not forever: while a purse is empty, its transactions are not
   * decided until somebody fills it.
   */
  readonly run: (call: KeeperCall) => Promise<CallResult>;
  /** The first half of {@link CallRunner.run}: stores the call and hands it over. It resolves to the second half. */
  readonly begin: (call: KeeperCall) => Promise<() => Promise<CallResult>>;
  /** Waits for the result of a stored call, for `forMs` at most; by default as long as {@link CallRunner.run} does. */
  readonly join: (call: KeeperCall, forMs?: number) => Promise<CallResult>;
  /**
   * Takes up calls that nobody waits for, also those of an earlier process, and checks whether mined ones are final.
   */
  readonly follow: () => Promise<void>;
  /** Calls that are not decided yet. */
  readonly open: () => Promise<readonly KeeperCall[]>;
  /** Ends all waiting. */
  readonly close: () => Promise<void>;
};

type Following = { readonly accepted: Promise<unknown>; readonly ended: Promise<CallResult> };

type Port = WatchPort & {
  readonly policy: { readonly callTimeoutMs: number };
  readonly engine: Pick<SettlementEngine, "acceptCall" | "outcome">;
  readonly logger: Logger;
  /** Told of each call that settled, and what it did. */
  readonly onDone: (call: KeeperCall, row: PaymentRow, activities: readonly KeeperActivity[]) => void;
  /** Told of calls that failed. */
  readonly onFailed: (call: KeeperCall, why: string) => void;
};

/**
 * Sends a keeper's calls through an engine. A call is in the journal before the engine has it, and the engine knows it
 * by its key. So if this process is killed at any point, the next one finds the call and keeps waiting. What a call did
 * is noted before the call is forgotten.
 */
export function createCallRunner(port: Port): CallRunner {
  const { journal, client, engine, logger, clock } = port;
  const closing = new AbortController();
  const following = new Map<string, Following>();
  const identityOf = ({ key }: KeeperCall) => callIdentity(client.chain.id, key);

  function follow(call: KeeperCall): Following {
    const known = following.get(call.key);
    if (known !== undefined) return known;
    const accepted = accept(call);
    const ended = accepted
      .then(async (row) => {
        if (row === undefined) return { call, row };
        const decided = await engine.outcome(row.id, { signal: closing.signal });
        return { call, row: decided, elsewhere: await conclude(call, decided) };
      })
      .catch((error: unknown): CallResult => {
        if (!closing.signal.aborted) logger.warn("keeper: a call will be looked at again", describeError(error));
        return { call, row: undefined };
      })
      .finally(() => following.delete(call.key));
    const entry = { accepted: accepted.catch(() => undefined), ended };
    following.set(call.key, entry);
    return entry;
  }

  /** Hands a call to the engine. Resolves to its row in the journal; undefined if the engine refuses it. */
  async function accept(call: KeeperCall): Promise<PaymentRow | undefined> {
    const { key, to, data, gas, proof, deadlineSeconds } = call;
    const admission = await engine.acceptCall({ key, to, data, gas, proof, deadlineSeconds, source: "channels" });
    if (admission.status === "accepted") return admission.row;
    await journal.removeKeeperCall(key);
    port.onFailed(call, admission.message);
    return undefined;
  }

  async function conclude(call: KeeperCall, row: PaymentRow): Promise<CallResult["elsewhere"]> {
    const { claims, sweeps } = call;
    if (row.state !== "settled") {
      // It may have failed because somebody else did the same, so ask the chain.
      await lookAgain(call);
      await journal.removeKeeperCall(call.key);
      if (await isDone(call)) return { transaction: await doneBy(call) };
      port.onFailed(call, whyOf(row));
      return;
    }
    // Noted first: a channel that is fully claimed may be forgotten below.
    const events = row.evidence.kind === "receipt" ? await noteTransaction(port, row.evidence.transactionHash) : [];
    const done = new Map(claims.map(({ channelId, totalClaimed }) => [channelId, totalClaimed]));
    await changeRows(journal, [...done.keys()], clock.now(), (one) => {
      const claimed = done.get(one.channelId) ?? 0n;
      if (claimed <= one.claimed && one.fault === undefined) return one;
      if (one.isDeleted && BigInt(one.record.chargedCumulativeAmount) <= claimed) return undefined;
      return { ...one, claimed: claimed > one.claimed ? claimed : one.claimed, fault: undefined };
    });
    if (claims.length + sweeps.length > 0) await lookAtReceivers(port);
    await journal.storeKeeperCall({ ...call, state: "mined" });
    port.onDone(call, row, activitiesOf(call, row, events));
  }

  /** Whether everything that a call should claim and sweep is claimed and swept, no matter by whom. */
  async function isDone({ claims, sweeps }: KeeperCall): Promise<boolean> {
    const rows = await journal.channels(claims.map(({ channelId }) => channelId));
    const due = (await journal.channelReceivers(client.chain.id)).filter(({ unswept }) => unswept > 0n);
    const isClaimed = claims.every(({ channelId, totalClaimed }) => {
      // If a row is gone, the server deleted it and it is fully claimed.
      return (rows.get(channelId)?.claimed ?? totalClaimed) >= totalClaimed;
    });
    const isSwept = sweeps.every((sweep) => !due.some((one) => isSame(one, sweep)));
    return claims.length + sweeps.length > 0 && isClaimed && isSwept;
  }

  /** The transaction of another call of this journal that claimed and swept all that a call should. */
  async function doneBy({ key, claims, sweeps }: KeeperCall): Promise<Hex | undefined> {
    const others = (await calls()).filter((other) => {
      const hasClaims = claims.every(({ channelId, totalClaimed }) =>
        other.claims.some((one) => one.channelId === channelId && one.totalClaimed >= totalClaimed),
      );
      return other.key !== key && hasClaims && sweeps.every((one) => other.sweeps.some((two) => isSame(one, two)));
    });
    const rows = others.length === 0 ? [] : await journal.withIdentities(others.map(identityOf));
    return rows.map(minedIn).find((transaction) => transaction !== undefined);
  }

  /** Forgets mined calls that are final. What a reorganisation undid for good can be claimed again. */
  async function finish(calls: readonly KeeperCall[]): Promise<void> {
    if (calls.length === 0) return;
    const rows = new Map((await journal.withIdentities(calls.map(identityOf))).map((row) => [row.identity, row]));
    for (const call of calls) {
      const row = rows.get(identityOf(call));
      const isFinal = row?.state === "settled" && row.evidence.kind === "receipt" && row.evidence.level === "final";
      const isUndone = row === undefined || (row.state !== "settled" && isDecided(row));
      if (isUndone) await lookAgain(call);
      if (isFinal || isUndone) await journal.removeKeeperCall(call.key);
    }
  }

  async function lookAgain({ claims }: KeeperCall): Promise<void> {
    const rows = await journal.channels(claims.map(({ channelId }) => channelId));
    await lookAt(port, [...rows.values()]);
    await lookAtReceivers(port);
  }

  async function within(call: KeeperCall, ended: Promise<CallResult>, ms: number): Promise<CallResult> {
    const { signal, clear } = alarm(clock, ms);
    const late = new Promise<CallResult>((resolve) => {
      signal.addEventListener("abort", () => resolve({ call, row: undefined }), { once: true });
    });
    try {
      return await Promise.race([ended, late]);
    } finally {
      clear();
    }
  }

  const longest = port.policy.callTimeoutMs + RUN_LONGER_MS;
  const calls = () => journal.keeperCalls(client.chain.id);
  const start = async (call: KeeperCall) => {
    await journal.storeKeeperCall(call);
    const { accepted, ended } = follow(call);
    await accepted;
    return { ended };
  };
  const begin = async (call: KeeperCall) => {
    const { ended } = await start(call);
    return () => within(call, ended, longest);
  };
  return {
    start,
    run: async (call) => (await begin(call))(),
    begin,
    join: (call, forMs = longest) => within(call, follow(call).ended, forMs),
    follow: async () => {
      const all = await calls();
      for (const call of all) if (call.state === "open") follow(call);
      await finish(all.filter(({ state }) => state === "mined"));
    },
    open: async () => (await calls()).filter(({ state }) => state === "open"),
    close: async () => {
      closing.abort();
      await Promise.all([...following.values()].map(({ ended }) => ended));
    },
  };
}

/** The transaction in which a call settled. */
export function minedIn(row: PaymentRow | undefined): Hex | undefined {
  return row?.state === "settled" && row.evidence.kind === "receipt" ? row.evidence.transactionHash : undefined;
}

function whyOf({ state, reason, evidence }: PaymentRow): string {
  if (evidence.kind === "refusal") return evidence.message;
  return reason === undefined || reason === state ? state : `${state}: ${reason}`;
}

type Account = KeeperCall["sweeps"][number];

function isSame(a: Account, b: Account): boolean {
  return isAddressEqual(a.receiver, b.receiver) && isAddressEqual(a.token, b.token);
}
