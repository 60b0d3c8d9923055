import { privateKeyToAccount } from "viem/accounts";
import type { SignedAuthorization } from "../authorization/types.ts";
import { connectChain } from "../chain/client.ts";
import { type SettlementReport, settlePayments } from "../settlement/index.ts";
import type { LocalChainAccount } from "./accounts.ts";
import { LocalChainError } from "./errors.ts";

/** How often a local chain is polled. */
const POLL_MILLISECONDS = 50;

/** Settles payments on the local chain at `rpcUrl`, sent from the first of its accounts. */
export async function settleLocally(
  rpcUrl: string,
  [account]: readonly LocalChainAccount[],
  payments: readonly SignedAuthorization[],
): Promise<SettlementReport> {
  if (account === undefined) throw new LocalChainError("The local chain has no account to send from.");
  const client = await connectChain(rpcUrl);
  const senders = [privateKeyToAccount(account.privateKey)];
  return settlePayments(client, {
    payments: payments.map((authorization) => ({ authorization })),
    senders,
    pace: { pollMs: POLL_MILLISECONDS },
  });
}
