import { privateKeyToAccount } from "viem/accounts";
import type { SignedAuthorization } from "../authorization/types.ts";
import { connectChain } from "../chain/client.ts";
import { openJournal, type SettlementReport, settlePayments } from "../settlement/index.ts";
import type { LocalChainAccount } from "./accounts.ts";
import { LocalChainError } from "./errors.ts";

/** How often a local chain is asked for a receipt. */
const POLL_MILLISECONDS = 50;

/** Settles payments on the local chain at `rpcUrl` from the first of its accounts. */
export async function settleLocally(
  rpcUrl: string,
  [account]: readonly LocalChainAccount[],
  payments: readonly SignedAuthorization[],
): Promise<SettlementReport> {
  if (account === undefined) throw new LocalChainError("The local chain has no account to send from.");
  const client = await connectChain(rpcUrl, { pollingIntervalMs: POLL_MILLISECONDS });
  const numbered = payments.map((authorization, index) => ({ line: index + 1, authorization }));
  return settlePayments(client, privateKeyToAccount(account.privateKey), numbered, { journal: openJournal(undefined) });
}
