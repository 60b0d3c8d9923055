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

/** A hash may be a payment's nonce, a transaction's or a batch's; what else names no payment by itself is a file, if it is there. */
export async function show(journal: Journal, what: string, options: Options): Promise<void> {
  const json = options.json === true;
  const batch = await findBatch(journal, what);
  if (batch !== undefined) return showBatch(journal, batch, options);
  if (namesPayment(what)) return showPayments(journal, await findPaymentsToRead(journal, what), json);
  const rows = existsSync(what) ? [] : await paymentsFrom(journal, what);
  return rows.length > 0 ? showPayments(journal, rows, json) : showFile(journal, what, options);
}
