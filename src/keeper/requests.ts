import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Address, Hex } from "viem";
import { z } from "zod";
import type { Clock } from "../clock.ts";
import type { Journal } from "../journal/index.ts";
import type { RefundResult } from "./calls/refund.ts";
import { ChannelError } from "./channels/errors.ts";
import type { ChannelKeeper, ClaimReport, SweepReport } from "./types.ts";

// While a keeper runs, nobody else sends from its purse. So another process that wants something claimed asks the
// keeper, in the journal. Each chain has one place for a request. A request is taken by exactly one keeper or withdrawn
// by whoever asked, and its answer is stored under its id.

/** What a keeper may be asked for. */
export type KeeperTask =
  | { readonly kind: "claim"; readonly channelIds?: readonly Hex[] | undefined }
  | { readonly kind: "sweep"; readonly receivers?: readonly Address[] | undefined }
  | { readonly kind: "refund"; readonly channelId: Hex; readonly amount?: bigint | undefined };

/** What the keeper did. */
export type KeeperAnswer =
  | { readonly kind: "claim"; readonly report: ClaimReport }
  | { readonly kind: "sweep"; readonly report: SweepReport }
  | { readonly kind: "refund"; readonly report: RefundResult }
  /** The keeper could not do it. `isRefused` says whether the reason is what was asked. */
  | {
      readonly kind: "error";
      readonly isRefused: boolean;
      readonly message: string;
      readonly hint?: string | undefined;
    }
  /** A keeper took the request and did not answer: the outcome is unknown. */
  | { readonly kind: "unanswered" };

/** A keeper that holds the right to send from its keys, by what the journal says. */
export type RunningKeeper = {
  readonly id: string;
  readonly senders: readonly Address[];
  readonly place: { readonly host: string; readonly pid: number };
};

/** Who made an older request is gone: nobody waits this long for a keeper to take one. */
const STALE_MS = 120_000;
const POLL_MS = 250;
/** A request that nobody took in this time is withdrawn. */
const UNTAKEN_MS = 20_000;
/** How long to wait for an answer: by then, a call is given up or mined. */
const UNANSWERED_MS = 300_000;
const WITHDRAWN = "withdrawn";

const slotOf = (chainId: number) => `keeper-request:${chainId}`;
const takenOf = (chainId: number, id: string) => `keeper-taken:${chainId}:${id}`;
const answerOf = (chainId: number, id: string) => `keeper-answer:${chainId}:${id}`;
// Keyed by purse: several keepers may run on one journal, and each may end before the others.
const presenceOf = (chainId: number, sender: string) => `keeper:${chainId}:${sender.toLowerCase()}`;

type Notes = Pick<Journal, "cursor" | "setCursor" | "setOnce" | "unset">;

/**
 * Says in the journal that a keeper runs here and takes requests.
 * @returns A function that looks for a request once, and does it. Call it again and again.
 */
export async function serveRequests(port: {
  readonly journal: Notes;
  readonly chainId: number;
  readonly clock: Clock;
  readonly senders: readonly Address[];
  readonly keeper: Pick<ChannelKeeper, "claim" | "sweep" | "refund">;
}): Promise<() => Promise<void>> {
  const { journal, chainId, clock, senders, keeper } = port;
  const me = randomUUID();
  const presence: RunningKeeper = { id: me, senders, place: { host: hostname(), pid: process.pid } };
  for (const sender of senders) await journal.setCursor(presenceOf(chainId, sender), JSON.stringify(presence));
  return async () => {
    const asked = await journal.cursor(slotOf(chainId));
    const request = asked === undefined ? undefined : readRequest(asked);
    if (asked === undefined) return;
    if (request === undefined || clock.now() - request.askedAtMs > STALE_MS) {
      await journal.unset(slotOf(chainId), asked);
      return;
    }
    if ((await journal.setOnce(takenOf(chainId, request.id), me)) !== me) return;
    // The request may have been withdrawn, or done by another keeper, since it was read.
    if ((await journal.cursor(slotOf(chainId))) !== asked) {
      await journal.unset(takenOf(chainId, request.id), me);
      return;
    }
    await journal.unset(slotOf(chainId), asked);
    const answer = await work(keeper, request.task);
    await journal.setCursor(answerOf(chainId, request.id), encode(answer));
  };
}

async function work(
  keeper: Pick<ChannelKeeper, "claim" | "sweep" | "refund">,
  task: KeeperTask,
): Promise<KeeperAnswer> {
  try {
    switch (task.kind) {
      case "claim":
        return { kind: "claim", report: await keeper.claim(task.channelIds) };
      case "sweep":
        return { kind: "sweep", report: await keeper.sweep(task.receivers) };
      case "refund":
        return { kind: "refund", report: await keeper.refund(task.channelId, task.amount) };
    }
  } catch (error) {
    if (error instanceof ChannelError) {
      return { kind: "error", isRefused: true, message: error.shortMessage, hint: error.hint };
    }
    const message = error instanceof Error ? error.message.split("\n")[0] : String(error);
    return { kind: "error", isRefused: false, message: message ?? "it failed" };
  }
}

/** The keepers that run on a journal, judged by the leases of their keys. */
export async function findKeepers(
  journal: Pick<Journal, "cursor" | "senders">,
  chainId: number,
): Promise<readonly RunningKeeper[]> {
  const known = await journal.senders(chainId);
  const found = new Map<string, RunningKeeper>();
  for (const { sender } of known) {
    const note = await journal.cursor(presenceOf(chainId, sender));
    if (note === undefined) continue;
    const keeper = presenceSchema.parse(JSON.parse(note));
    // A lease may outlive its process: whether the keeper still runs shows when it is asked.
    const isHeld = keeper.senders.every((own) => {
      const lease = known.find((one) => one.sender.toLowerCase() === own.toLowerCase())?.lease;
      const isSame = lease?.place?.pid === keeper.place.pid && lease.place.host === keeper.place.host;
      return lease !== undefined && isSame && lease.silentForMs < lease.ttlMs;
    });
    if (isHeld) found.set(keeper.id, keeper);
  }
  return [...found.values()];
}

type AskPort = {
  readonly journal: Notes & Pick<Journal, "senders">;
  readonly chainId: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
};

/**
 * Asks the keeper of a journal, and waits for its answer. Undefined if no keeper took the request, or the signal
 * aborted before one did: then no keeper will ever do it.
 */
export async function askKeeper(
  { journal, chainId, clock, signal }: AskPort,
  task: KeeperTask,
): Promise<KeeperAnswer | undefined> {
  const id = randomUUID();
  let request = "";
  for (;;) {
    request = encode({ id, askedAtMs: clock.now(), task });
    const there = await journal.setOnce(slotOf(chainId), request);
    if (there === request) break;
    // Somebody else's request is there. If its process was killed, others wait until the request is stale.
    const other = readRequest(there);
    if (other === undefined || clock.now() - other.askedAtMs > STALE_MS) await journal.unset(slotOf(chainId), there);
    await clock.sleep(POLL_MS, signal);
    if (signal?.aborted === true) return undefined;
  }

  const askedAtMs = clock.now();
  let isTaken = false;
  for (;;) {
    const answer = await journal.cursor(answerOf(chainId, id));
    if (answer !== undefined) {
      await journal.unset(answerOf(chainId, id), answer);
      await forgetTaken();
      return answerSchema.parse(JSON.parse(answer)) as KeeperAnswer;
    }
    const waitedMs = signal?.aborted === true ? Number.POSITIVE_INFINITY : clock.now() - askedAtMs;
    if (!isTaken && waitedMs > UNTAKEN_MS) {
      isTaken = (await journal.setOnce(takenOf(chainId, id), WITHDRAWN)) !== WITHDRAWN;
      if (!isTaken) {
        await journal.unset(slotOf(chainId), request);
        await forgetTaken();
        return undefined;
      }
    }
    // A keeper that died meanwhile will not answer.
    if (waitedMs > UNANSWERED_MS || (isTaken && (await isGone()))) {
      return { kind: "unanswered" };
    }
    await clock.sleep(POLL_MS, signal);
  }

  /** Whether the keeper that took the request no longer runs. */
  async function isGone(): Promise<boolean> {
    const by = await journal.cursor(takenOf(chainId, id));
    return !(await findKeepers(journal, chainId)).some((keeper) => keeper.id === by);
  }

  async function forgetTaken(): Promise<void> {
    const by = await journal.cursor(takenOf(chainId, id));
    if (by !== undefined) await journal.unset(takenOf(chainId, id), by);
  }
}

const hex = z.custom<Hex>((value) => typeof value === "string" && value.startsWith("0x"));
const amount = z.string().transform((text) => BigInt(text));
const taskSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("claim"), channelIds: z.array(hex).optional() }),
  z.object({ kind: z.literal("sweep"), receivers: z.array(hex).optional() }),
  z.object({ kind: z.literal("refund"), channelId: hex, amount: amount.optional() }),
]);
const requestSchema = z.object({ id: z.uuid(), askedAtMs: z.number(), task: taskSchema });
const presenceSchema = z.object({
  id: z.string(),
  senders: z.array(hex),
  place: z.object({ host: z.string(), pid: z.number() }),
});
const answerSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("claim"),
    report: z.object({
      claimed: z.array(z.object({ channelId: hex, totalClaimed: amount, transaction: hex })),
      bad: z.array(z.object({ channelId: hex, reason: z.string() })),
      withoutKey: z.array(hex),
      failed: z.array(hex),
    }),
  }),
  z.object({
    kind: z.literal("sweep"),
    report: z.object({
      swept: z.array(z.object({ receiver: hex, token: hex, amount, transaction: hex })),
      failed: z.array(z.object({ receiver: hex, token: hex })),
    }),
  }),
  z.object({
    kind: z.literal("refund"),
    report: z.object({ channelId: hex, amount, claimed: amount, transaction: hex }),
  }),
  z.object({
    kind: z.literal("error"),
    isRefused: z.boolean(),
    message: z.string(),
    hint: z.string().optional(),
  }),
]);

function readRequest(text: string) {
  try {
    return requestSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function encode(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === "bigint" ? item.toString() : item));
}
