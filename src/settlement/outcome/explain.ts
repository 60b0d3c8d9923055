import { authorizationId } from "../../authorization/identity.ts";
import type { SignedAuthorization } from "../../authorization/types.ts";
import type { ChainClient } from "../../chain/client.ts";
import { ChainUnavailableError } from "../../chain/errors.ts";
import { findNonceUses, type NonceUse } from "../../chain/logs/uses.ts";
import { chunks } from "../../lists.ts";
import { REASONS } from "../../reasons.ts";
import { layersOf } from "./receipts/layers.ts";
import { type PaymentOutcome, rejectionOf } from "./results.ts";

/** How many nonces' uses are looked up at once: the receipts of that many are in memory. */
const USES_AT_ONCE = 1_000;

/**
 * Outcomes of payments whose nonces are used, in their order; these very terms may have been settled. If the node does
 * not search, or the use lies further back than `lookbackBlocks`, all that is known is that the nonce is used.
 */
export async function explainUsed(
  client: ChainClient,
  payments: readonly SignedAuthorization[],
  lookbackBlocks?: bigint,
): Promise<PaymentOutcome[]> {
  const outcomes = payments.map((): PaymentOutcome => rejectionOf({ kind: "already-used" }));
  for (const layer of layersOf([...payments.entries()], ([, payment]) => authorizationId(payment))) {
    for (const some of chunks(layer, USES_AT_ONCE)) {
      const authorizations = some.map(([, payment]) => payment);
      const uses = await findNonceUses(client, authorizations, { lookbackBlocks }).catch((error: unknown) => {
        if (!(error instanceof ChainUnavailableError)) throw error;
        return new Map<string, NonceUse>();
      });
      for (const [index, payment] of some) {
        const use = uses.get(authorizationId(payment));
        if (use !== undefined) outcomes[index] = outcomeOfUse(use);
      }
    }
  }
  return outcomes;
}

function outcomeOfUse(use: NonceUse): PaymentOutcome {
  const { transactionHash } = use;
  switch (use.status) {
    case "settled":
      return { ...use, status: "settled", when: "elsewhere", gasShare: undefined };
    case "cancelled":
      return { status: "rejected", reason: "cancelled", message: REASONS.cancelled.meaning, transactionHash };
    case "used-by-variant": {
      const message = "the nonce was used for other terms that the payer signed";
      return { status: "rejected", reason: "already-used", message, transactionHash };
    }
  }
}
