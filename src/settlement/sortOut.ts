import { authorizationId, sameTerms } from "../authorization/identity.ts";
import type { SignedAuthorization } from "../authorization/types.ts";
import type { ChainClient } from "../chain/client.ts";
import { type PaymentOutcome, rejectionOf } from "./outcome.ts";

/** A payment of a job and the line that it came from. */
export type JobPayment = { readonly line: number; readonly authorization: SignedAuthorization };

/** A job's payments, told apart before the chain is asked. */
export type SortedPayments = {
  /** Those of the client's chain by identity, the first of each. */
  readonly mine: ReadonlyMap<string, SignedAuthorization>;
  /** What is to be said of all others. */
  readonly others: ReadonlyMap<JobPayment, PaymentOutcome>;
};

/** Takes out what is for another chain, and what has the identity of an earlier payment. */
export function sortOut(client: ChainClient, payments: readonly JobPayment[]): SortedPayments {
  const mine = new Map<string, SignedAuthorization>();
  const others = new Map<JobPayment, PaymentOutcome>();
  for (const payment of payments) {
    const { authorization } = payment;
    const id = authorizationId(authorization);
    const first = mine.get(id);
    if (authorization.chainId !== client.chain.id) others.set(payment, wrongChain(authorization, client));
    else if (first === undefined) mine.set(id, authorization);
    else {
      const kind = sameTerms(first, authorization) ? "duplicate" : "variant";
      others.set(payment, rejectionOf({ kind, of: first }));
    }
  }
  return { mine, others };
}

function wrongChain({ chainId }: SignedAuthorization, client: ChainClient): PaymentOutcome {
  const message = `the authorization is for chain ${chainId}, the node is on chain ${client.chain.id}`;
  return { status: "rejected", reason: "wrong-chain", message };
}
