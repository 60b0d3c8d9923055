import { choosePayments, DEFERRED, DROPPED, type Fates, LIVE } from "./choose.ts";
import { comparePayments } from "./compare.ts";
import { aloneWith, fillBatches } from "./fill.ts";
import { finishBatches } from "./finish.ts";
import { resolveLimits } from "./limits.ts";
import { orderPayments } from "./order.ts";
import { findDefect, isDeferred } from "./screen.ts";
import { type PaymentTable, tabulate } from "./table.ts";
import type { DropReason, Plan, PlanInput } from "./types.ts";

/**
 * Plans transactions for signed authorizations. Pure: the same set of payments gives the same plan, in whatever order
 * they come.
 *
 * Each payment ends in a batch, is dropped with a reason, or is deferred because it is not valid yet. Batches come in
 * the order in which to send them, by their earliest deadline. A batch has one token, no identity twice, no more of
 * each payer than its balance, and payers with code last. A batch of one is a direct transfer, and without a router
 * every payment is. A payment that is dropped may become possible later, unless its reason says that it cannot.
 *
 * @throws PlanLimitsError if a limit is out of its range.
 */
export function planBatches(input: PlanInput): Plan {
  const limits = resolveLimits(input.limits, input.gasModel.token);
  const table = tabulate(input.payments);
  const reasons = new Map<number, DropReason>();
  const fates: Fates = {
    of: new Uint8Array(input.payments.length),
    drop: (index, reason) => {
      fates.of[index] = DROPPED;
      reasons.set(index, reason);
    },
  };

  for (const [index, payment] of input.payments.entries()) {
    const defect = findDefect(payment, table.tokens[table.token[index]!]!.key, input, limits);
    if (defect !== undefined) fates.drop(index, defect);
    else if (isDeferred(payment, input.nowSeconds)) fates.of[index] = DEFERRED;
  }
  const balances = balancesByAccount(table, input);
  choosePayments(table, fates, (payer) => balances[payer]);

  // An account that also pays may be empty by the time of a later batch.
  const pays = new Uint8Array(table.addresses.length);
  for (const [index, payer] of table.payer.entries()) if (fates.of[index] === LIVE) pays[payer] = 1;
  const holds = (account: number) => pays[account] === 0 && (balances[account] ?? 0n) > 0n;
  const context = { table, limits, model: input.gasModel, holds };
  const groups = orderPayments(table, fates.of, input, limits);
  const fillings = groups.flatMap((ordered) =>
    input.routerAvailable ? fillBatches(ordered, context) : Array.from(ordered, (index) => aloneWith(index, context)),
  );
  const batches = finishBatches(fillings, { ...context, balances, sender: input.sender, drop: fates.drop });

  const inOrder = (indices: number[]) => indices.sort((a, b) => comparePayments(table, a, b));
  const deferred = inOrder(indicesOf(fates.of, DEFERRED)).map((index) => {
    const payment = input.payments[index]!;
    return { payment, validFromSeconds: payment.validAfter + 1n };
  });
  const dropped = inOrder([...reasons.keys()]).map((index) => ({
    payment: input.payments[index]!,
    reason: reasons.get(index)!,
  }));
  return { batches, dropped, deferred };
}

/** Balances by the table's account numbers; undefined if unknown. */
function balancesByAccount(table: PaymentTable, { balances }: PlanInput): (bigint | undefined)[] {
  const found = new Array<bigint | undefined>(table.addresses.length);
  if (balances === undefined) return found;
  for (const { key, accounts } of table.tokens) {
    const ofToken = balances.get(key);
    if (ofToken === undefined) continue;
    for (const [address, account] of accounts) found[account] = ofToken.get(address);
  }
  return found;
}

function indicesOf(fates: Uint8Array, fate: number): number[] {
  const indices: number[] = [];
  for (const [index, one] of fates.entries()) if (one === fate) indices.push(index);
  return indices;
}
