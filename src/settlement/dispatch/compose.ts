import type { Hex } from "viem";
import type { SignedAuthorization } from "../../authorization/types.ts";
import type { PlannedBatch } from "../../batch/index.ts";
import { secondsNow } from "../../clock.ts";
import { type AuthorizationRow, isAuthorization, isCall, type PaymentRow } from "../../journal/ports/payments.ts";
import { type HeldAccounts, heldOf, payersOf, readStrikes } from "../outcome/strikes.ts";
import type { SettlementPort } from "../port.ts";
import type { Composition } from "../sending/types.ts";
import { batchCallOf } from "./call.ts";
import { type PreparedSettlement, prepareSettlement } from "./prepare.ts";
import { composeCalls } from "./sharedCalls.ts";

/** Reads the facts and plans, for a round or for a replacement. */
export async function prepareFor(
  port: SettlementPort,
  rows: readonly AuthorizationRow[],
  options: { readonly maxItems?: number | undefined; readonly held?: HeldAccounts } = {},
): Promise<PreparedSettlement> {
  const { maxItems, held } = options;
  const limits = { ...port.policy.limits, ...(maxItems === undefined ? {} : { maxItems }) };
  const nowSeconds = secondsNow(port.clock);
  const heldPayers = new Set((held ?? new Map()).keys());
  const { router } = port.policy;
  const policy = { limits, nowSeconds, heldPayers, ...(router === undefined ? {} : { router }) };
  return prepareSettlement(
    port.client,
    rows.map(({ work }) => work.authorization),
    policy,
  );
}

/** A planned batch as the call that carries it. */
export function composeBatch(
  batch: PlannedBatch,
  router: PreparedSettlement["router"],
  batchId: Hex,
  payments: readonly PaymentRow[],
): Composition {
  const call = batchCallOf(batch, router, batchId);
  if (batch.kind === "direct" || router === undefined) return { kind: "direct", ...call, router: undefined, payments };
  return { kind: "router", ...call, router, payments };
}

/**
 * Composes a replacement for a batch: those of its payments that can still settle, under the same batch id. It never
 * holds anything else. Payments that the planner would put into a second transaction wait until the batch's txNonce is
 * decided.
 * @returns Undefined if nothing can settle any more.
 */
export async function recompose(
  port: SettlementPort,
  payments: readonly PaymentRow[],
  batchId: Hex,
): Promise<Composition | undefined> {
  const calls = payments.filter(isCall);
  if (calls.length > 0) {
    const nowSeconds = secondsNow(port.clock);
    const due = calls.filter(({ deadlineSeconds }) => deadlineSeconds > nowSeconds);
    return due.length === 0 ? undefined : composeCalls(due);
  }
  const own = payments.filter(isAuthorization);
  const rows = new Map<SignedAuthorization, AuthorizationRow>(own.map((row) => [row.work.authorization, row]));
  const held = heldOf(await readStrikes(port, payersOf(own)), port.clock.now());
  const prepared = await prepareFor(port, own, { held });
  const [planned] = prepared.plan.batches;
  if (planned === undefined) return undefined;
  const carried = planned.items.map(({ authorization }) => rows.get(prepared.original(authorization)));
  return composeBatch(
    planned,
    prepared.router,
    batchId,
    carried.filter((row) => row !== undefined),
  );
}
