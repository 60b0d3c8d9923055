import { authorizationId, termsDigest } from "../../authorization/identity.ts";
import type { SignedAuthorization } from "../../authorization/types.ts";
import type { ChainClient } from "../../chain/client.ts";
import { ChainMismatchError } from "../../chain/errors.ts";
import { domainOf } from "../../chain/facts/domain.ts";
import { readFacts } from "../../chain/facts/facts.ts";
import { groupBy } from "../../lists.ts";
import { verifySubmissions } from "../intake/verify.ts";
import { outcomeOfRefusal } from "../job/rows.ts";
import { DUPLICATE, type JobPayment, type PaymentOutcome } from "../outcome/results.ts";

/** Payments sorted before they are planned. */
export type SortedPayments = {
  /** Payments on the client's chain. If several have the same payer and nonce, each has a good signature. */
  readonly mine: readonly SignedAuthorization[];
  /** The outcomes of all others. */
  readonly others: ReadonlyMap<JobPayment, PaymentOutcome>;
};

/**
 * Takes out payments for another chain, and payments that share payer and nonce with another one but lack the payer's
 * signature. It verifies only payments that clash in this way: the pre-flight verifies the rest.
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function sortOut(client: ChainClient, payments: readonly JobPayment[]): Promise<SortedPayments> {
  const others = new Map<JobPayment, PaymentOutcome>();
  const own = payments.filter((payment) => {
    const isOwn = payment.authorization.chainId === client.chain.id;
    if (!isOwn) others.set(payment, wrongChain(payment.authorization, client));
    return isOwn;
  });
  for (const group of clashesByToken(own, others)) await takeOutForged(client, group, others);
  return { mine: own.filter((payment) => !others.has(payment)).map(({ authorization }) => authorization), others };
}

/**
 * The payments that share payer and nonce with another one, by token. An exact copy does not clash: it is a duplicate.
 */
function clashesByToken(
  payments: readonly JobPayment[],
  others: Map<JobPayment, PaymentOutcome>,
): Iterable<readonly JobPayment[]> {
  const seen = new Set<string>();
  const clashing = new Set<string>();
  for (const { authorization } of payments) {
    const id = authorizationId(authorization);
    if (seen.has(id)) clashing.add(id);
    seen.add(id);
  }
  const kept: JobPayment[] = [];
  const copies = new Set<string>();
  for (const payment of clashing.size === 0 ? [] : payments) {
    const { authorization } = payment;
    if (!clashing.has(authorizationId(authorization))) continue;
    const key = `${termsDigest(authorization)} ${authorization.signature.toLowerCase()}`;
    if (copies.has(key)) {
      others.set(payment, DUPLICATE);
      continue;
    }
    copies.add(key);
    kept.push(payment);
  }
  return groupBy(kept, ({ authorization }) => authorization.token.toLowerCase()).values();
}

async function takeOutForged(
  client: ChainClient,
  group: readonly JobPayment[],
  others: Map<JobPayment, PaymentOutcome>,
): Promise<void> {
  const [first] = group;
  if (first === undefined) return;
  const { token } = first.authorization;
  const authorizations = group.map(({ authorization }) => authorization);
  try {
    const [{ withCode }, domain] = await Promise.all([
      readFacts(client, token, authorizations),
      domainOf(client, token),
    ]);
    for (const [index, verdict] of (await verifySubmissions(client, group, domain, withCode)).entries()) {
      const payment = group[index];
      if (payment === undefined) continue;
      if (!("status" in verdict)) others.set(payment, { status: "not-attempted", message: verdict.shortMessage });
      else if (verdict.status === "bad") {
        others.set(payment, outcomeOfRefusal({ ...verdict, status: "refused" }));
      }
    }
  } catch (error) {
    // The plan refuses an address that is not a token.
    if (!(error instanceof ChainMismatchError)) throw error;
  }
}

function wrongChain({ chainId }: SignedAuthorization, client: ChainClient): PaymentOutcome {
  const message = `the authorization is for chain ${chainId}, the node is on chain ${client.chain.id}`;
  return { status: "rejected", reason: "wrong-chain", message };
}
