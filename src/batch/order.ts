import { LIVE } from "./choose.ts";
import { compareAccounts, comparePayments, compareText } from "./compare.ts";
import type { ResolvedLimits } from "./limits.ts";
import { type PaymentTable, toDeadline } from "./table.ts";
import type { PlanInput } from "./types.ts";

/** About how many items a full batch carries. Only used to estimate how long a plan takes. */
const TYPICAL_BATCH_ITEMS = 300;

/**
 * The live payments of each token, in the order in which batches take them.
 *
 * Payments whose deadline is near go strictly by deadline. Other deadlines lie beyond the whole plan's own duration
 * (and beyond `urgentWithinSeconds`), so these payments are in no danger wherever they come. They follow, grouped by
 * payer and payee, which saves about 7,300 gas for each repeated payer and 5,100 for each repeated payee of a batch.
 * Payers with several payments come first, by payer and payee; then those with one payment, by payee.
 */
export function orderPayments(
  table: PaymentTable,
  fates: Uint8Array,
  input: PlanInput,
  limits: ResolvedLimits,
): Uint32Array[] {
  const byToken = liveByToken(table, fates);
  let live = 0;
  for (const indices of byToken) live += indices.length;
  const batches = Math.ceil(live / Math.min(limits.maxItems, TYPICAL_BATCH_ITEMS));
  const planSeconds = BigInt(batches) * limits.secondsPerBatch;
  const horizonSeconds = planSeconds > limits.urgentWithinSeconds ? planSeconds : limits.urgentWithinSeconds;
  // Without the router nothing is shared, so grouping saves nothing.
  const horizon = input.routerAvailable ? toDeadline(input.nowSeconds + horizonSeconds) : Number.POSITIVE_INFINITY;

  const perPayer = new Uint32Array(table.addresses.length);
  const { deadline, payer, payee } = table;
  for (const indices of byToken)
    for (const index of indices) if (deadline[index]! > horizon) perPayer[payer[index]!]! += 1;

  const compareRelaxed = (a: number, b: number): number => {
    const several = perPayer[payer[a]!]! > 1;
    if (several !== perPayer[payer[b]!]! > 1) return several ? -1 : 1;
    return (
      (several ? compareAccounts(table, payer[a]!, payer[b]!) : 0) ||
      compareAccounts(table, payee[a]!, payee[b]!) ||
      comparePayments(table, a, b)
    );
  };
  for (const indices of byToken) {
    indices.sort((a, b) => {
      const relaxed = deadline[a]! > horizon;
      if (relaxed !== deadline[b]! > horizon) return relaxed ? 1 : -1;
      return relaxed ? compareRelaxed(a, b) : comparePayments(table, a, b);
    });
  }
  return byToken;
}

function liveByToken(table: PaymentTable, fates: Uint8Array): Uint32Array[] {
  const counts = new Uint32Array(table.tokens.length);
  for (const [index, token] of table.token.entries()) if (fates[index] === LIVE) counts[token]! += 1;
  const lists = table.tokens.map((_, token) => new Uint32Array(counts[token]!));
  const filled = new Uint32Array(table.tokens.length);
  for (const [index, token] of table.token.entries()) {
    if (fates[index] !== LIVE) continue;
    lists[token]![filled[token]!] = index;
    filled[token]! += 1;
  }
  const order = table.tokens.map((_, token) => token);
  order.sort((a, b) => compareText(table.tokens[a]!.key, table.tokens[b]!.key));
  return order.map((token) => lists[token]!).filter((indices) => indices.length > 0);
}
