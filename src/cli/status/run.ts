import { existsSync } from "node:fs";
import type { Address } from "viem";
import type { Network } from "../../networks.ts";
import type { Journal } from "../../settlement/index.ts";
import { findBatch, findPaymentsToRead, namesPayment, paymentsFrom } from "../input/findPayments.ts";
import { showBatch } from "./batch.ts";
import { showFile } from "./file.ts";
import { showPayments } from "./payments.ts";

export type Options = {
  readonly journal?: string;
  readonly network?: Network;
  readonly token?: Address;
  readonly all?: true;
  readonly json?: true;
};

/** Shows what `what` names: a batch or one of its transactions, a payment, a file, or payments by their source. */
export async function show(journal: Journal, what: string, options: Options): Promise<void> {
  const json = options.json === true;
  const batch = await findBatch(journal, what);
  if (batch !== undefined) return showBatch(journal, batch, options);
  if (namesPayment(what)) return showPayments(journal, await findPaymentsToRead(journal, what), json);
  const rows = existsSync(what) ? [] : await paymentsFrom(journal, what);
  return rows.length > 0 ? showPayments(journal, rows, json) : showFile(journal, what, options);
}
