import { type Address, type Hex, keccak256, stringToHex } from "viem";
import { authorizationId } from "../../authorization/identity.ts";
import type { SignedAuthorization } from "../../authorization/types.ts";
import type { Plan, PlannedBatch } from "../../batch/index.ts";
import type { ChainClient } from "../../chain/client.ts";
import { ChainUnavailableError } from "../../chain/errors.ts";
import { readHead } from "../../chain/facts/facts.ts";
import { type PreparedCall, preflightAuthorization, preflightBatch } from "../../chain/sending/preflight.ts";
import type { Refusal, RouterItem } from "../../router/index.ts";
import { type PaymentOutcome, rejectionOf } from "../outcome/results.ts";
import { batchCallOf } from "./call.ts";
import type { PreparedSettlement } from "./prepare.ts";

/**
 * The next result of the pre-flight: a batch in which every payment would settle now, or a payment that is in no batch.
 */
export type Screened =
  | {
      readonly status: "ready";
      readonly batch: PlannedBatch;
      readonly call: PreparedCall;
      /** The payments of the batch in its order, as they were given. */
      readonly payments: readonly SignedAuthorization[];
    }
  | { readonly status: "excluded"; readonly payment: SignedAuthorization; readonly outcome: PaymentOutcome };

/** Direct transfers whose pre-flights run at the same time. */
const DIRECT_AT_ONCE = 16;

/**
 * Pre-flights the batches of a plan in their order: one eth_call for each, and one for each item that fails in it, to
 * learn why. The remaining payments of a batch are planned again, because fewer items need another gas limit, and a
 * single one goes direct. A batch that fails as a whole (it reverts, or the node is too slow for it) is halved until
 * the payment that causes it is found. A payer whose code uses up its allowance is held back from then on.
 * @param from Who will send.
 * @throws ChainUnavailableError if the node answers nothing any more.
 */
export async function* screenBatches(
  client: ChainClient,
  prepared: PreparedSettlement,
  from: Address,
): AsyncGenerator<Screened, void> {
  const queue: PlannedBatch[] = [...prepared.plan.batches];
  const held = new Set<string>();

  for (let group = takeGroup(queue); group.length > 0; group = takeGroup(queue)) {
    const asked = group.map(async (batch): Promise<Asked> => {
      const payments = batch.items.map(({ authorization }) => prepared.original(authorization));
      const heldNow = payments.filter((payment) => held.has(payment.from.toLowerCase()));
      if (heldNow.length > 0) return { batch, payments, heldNow };
      const call = { from, ...batchCallOf(batch, prepared.router, labelOf(payments)) };
      return { batch, payments, call, verdict: await examine(client, batch, call) };
    });
    const again: PlannedBatch[] = [];
    for (const { batch, payments, ...result } of await Promise.all(asked)) {
      if ("heldNow" in result) {
        for (const payment of result.heldNow) yield exclude(payment, rejectionOf({ kind: "payer-held" }));
        yield* replan(payments.filter((payment) => !result.heldNow.includes(payment)));
        continue;
      }
      const { call, verdict } = result;
      if (verdict.status === "clear") yield { status: "ready", batch, call, payments };
      else if (verdict.status === "failed") {
        const half = Math.ceil(payments.length / 2);
        const [only] = payments;
        if (payments.length > 1) {
          yield* replan(payments.slice(0, half));
          yield* replan(payments.slice(half));
        } else if (only !== undefined)
          yield exclude(only, { status: "not-attempted", message: verdict.error.shortMessage });
      } else {
        for (const [index, outcome] of verdict.outcomes) {
          const payment = payments[index];
          if (payment === undefined) continue;
          if (outcome.status === "rejected" && outcome.reason === "gas-capped") held.add(payment.from.toLowerCase());
          yield exclude(payment, outcome);
        }
        yield* replan(payments.filter((_, index) => !verdict.outcomes.has(index)));
      }
    }
    queue.unshift(...again);

    /** Puts payments back at the front of the queue, and yields those that the planner no longer takes. */
    function* replan(payments: readonly SignedAuthorization[]): Generator<Screened, void> {
      if (payments.length === 0) return;
      const plan: Plan = prepared.replan(payments);
      again.push(...plan.batches);
      for (const { payment, reason } of plan.dropped) yield exclude(prepared.original(payment), rejectionOf(reason));
      for (const { payment, validFromSeconds } of plan.deferred) {
        yield exclude(prepared.original(payment), { status: "deferred", validFromSeconds });
      }
    }
  }
}

type Asked = { readonly batch: PlannedBatch; readonly payments: readonly SignedAuthorization[] } & (
  | { readonly heldNow: readonly SignedAuthorization[] }
  | { readonly call: PreparedCall; readonly verdict: Verdict }
);

type Verdict =
  | { readonly status: "clear" }
  /** The items that were refused, by position. */
  | { readonly status: "refused"; readonly outcomes: ReadonlyMap<number, PaymentOutcome> }
  /** The batch failed as a whole, or the node failed on it. */
  | { readonly status: "failed"; readonly error: ChainUnavailableError };

async function examine(client: ChainClient, batch: PlannedBatch, call: PreparedCall): Promise<Verdict> {
  try {
    return batch.kind === "direct" ? await examineDirect(client, batch) : await examineRouted(client, batch, call);
  } catch (error) {
    if (!(error instanceof ChainUnavailableError)) throw error;
    // If the node still answers something else, its problem is this batch.
    await readHead(client);
    return { status: "failed", error };
  }
}

async function examineDirect(client: ChainClient, batch: PlannedBatch): Promise<Verdict> {
  const [item] = batch.items;
  const refusal = item === undefined ? undefined : await whyRefused(client, batch, item);
  if (refusal === undefined) return { status: "clear" };
  return { status: "refused", outcomes: new Map([[0, rejected(refusal)]]) };
}

async function examineRouted(client: ChainClient, batch: PlannedBatch, call: PreparedCall): Promise<Verdict> {
  const preflight = await preflightBatch(client, call);
  if (preflight.status === "reverted" || preflight.attempted < batch.items.length) {
    const what = preflight.status === "reverted" ? "reverts" : "runs out of gas";
    return { status: "failed", error: new ChainUnavailableError(`In the pre-flight the batch ${what} as a whole.`) };
  }
  if (preflight.failed.size === 0) return { status: "clear" };
  const outcomes = new Map<number, PaymentOutcome>();
  await Promise.all(
    [...preflight.failed].map(async (index) => {
      const item = batch.items[index];
      if (item === undefined) return;
      const refusal = await whyRefused(client, batch, item);
      outcomes.set(index, refusal === undefined ? FAILS_BESIDE_OTHERS : rejected(refusal));
    }),
  );
  return { status: "refused", outcomes };
}

/** Asks the token why it refuses one item, with the gas that the item has in its batch. */
function whyRefused(client: ChainClient, batch: PlannedBatch, item: RouterItem): Promise<Refusal | undefined> {
  const gasAllowance = item.form === "wide" ? item.gasAllowance : batch.gasAllowance;
  const overload = item.form === "wide" ? item.overload : "vrs";
  return preflightAuthorization(client, item.authorization, { gasAllowance, overload });
}

const FAILS_BESIDE_OTHERS: PaymentOutcome = {
  status: "not-attempted",
  message: "it would fail beside the other payments of its batch, and settle alone",
};

function rejected({ reason, message }: Refusal): PaymentOutcome {
  return { status: "rejected", reason, message };
}

function exclude(payment: SignedAuthorization, outcome: PaymentOutcome): Screened {
  return { status: "excluded", payment, outcome };
}

/** A label for a pre-flight. It changes no outcome; what is sent has its own. */
function labelOf(payments: readonly SignedAuthorization[]): Hex {
  return keccak256(stringToHex(payments.map(authorizationId).join()));
}

/** Takes the next batch, or several if they are direct transfers. */
function takeGroup(queue: PlannedBatch[]): PlannedBatch[] {
  let count = Math.min(1, queue.length);
  while (count < DIRECT_AT_ONCE && queue[count - 1]?.kind === "direct" && queue[count]?.kind === "direct") count += 1;
  return queue.splice(0, count);
}
