import { authorizationId } from "../authorization/identity.ts";
import type { SignedAuthorization } from "../authorization/types.ts";
import type { ChainClient } from "../chain/client.ts";
import { ChainUnavailableError } from "../chain/errors.ts";
import { findNonceUses, type NonceUse } from "../chain/uses.ts";
import { type PaymentOutcome, rejectionOf } from "./outcome.ts";
import type { PreparedSettlement } from "./prepare.ts";

/** How far back the transaction that used a nonce is searched for unless the caller says otherwise. */
export const LOOKBACK_BLOCKS = 10_000n;

/**
 * Outcomes of what a plan leaves out. A nonce that is used is looked up: perhaps these very terms were settled. Where the
 * node does not search, such a payment is only known to be used.
 */
export async function explainUnplanned(
  client: ChainClient,
  { plan, original }: Pick<PreparedSettlement, "plan" | "original">,
  lookbackBlocks: bigint = LOOKBACK_BLOCKS,
): Promise<Map<SignedAuthorization, PaymentOutcome>> {
  const outcomes = new Map<SignedAuthorization, PaymentOutcome>();
  for (const { payment, validFromSeconds } of plan.deferred) {
    outcomes.set(original(payment), { status: "deferred", validFromSeconds });
  }
  for (const { payment, reason } of plan.dropped) outcomes.set(original(payment), rejectionOf(reason));

  const used = plan.dropped.filter(({ reason }) => reason.kind === "nonce-used").map(({ payment }) => payment);
  const uses = await findNonceUses(client, used, { lookbackBlocks }).catch((error: unknown) => {
    if (!(error instanceof ChainUnavailableError)) throw error;
    return new Map<string, NonceUse>();
  });
  for (const payment of used) {
    const use = uses.get(authorizationId(payment));
    if (use !== undefined) outcomes.set(original(payment), outcomeOfUse(use));
  }
  return outcomes;
}

/** The outcome of a payment whose nonce a transaction was found to have used. */
export function outcomeOfUse(use: NonceUse): PaymentOutcome {
  const { transactionHash } = use;
  switch (use.status) {
    case "settled":
      return { ...use, status: "settled", when: "elsewhere", gasShare: undefined };
    case "cancelled":
      return { status: "rejected", reason: "cancelled", message: "the payer cancelled this nonce", transactionHash };
    case "used-by-variant": {
      const message = "the nonce was used for other terms that the payer signed";
      return { status: "rejected", reason: "already-used", message, transactionHash };
    }
  }
}
