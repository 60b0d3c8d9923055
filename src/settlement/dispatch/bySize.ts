import type { PaymentRow } from "../../journal/ports/payments.ts";
import { groupBy } from "../../lists.ts";
import { maxItemsOf } from "../outcome/receipts/conclude.ts";

/**
 * Groups payments by the largest batch that each may go in. Payments of a batch that failed as a whole go in ever
 * smaller batches, apart from the others. Payments that must go alone get batches of one.
 */
export function bySize<Row extends PaymentRow>(
  rows: readonly Row[],
): { readonly rows: readonly Row[]; readonly maxItems: number | undefined }[] {
  const groups = groupBy(rows, (row) =>
    row.work.kind === "authorization" && row.work.alone === true ? 1 : maxItemsOf(row),
  );
  return [...groups].map(([maxItems, group]) => ({ rows: group, maxItems }));
}
