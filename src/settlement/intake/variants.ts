import type { Evidence } from "../../journal/ports/evidence.ts";
import type { PaymentJournal, Transition } from "../../journal/ports/payments.ts";

/** Settled payments whose variants are closed in one go. */
const AT_ONCE = 500;

/**
 * Closes queued payments if another variant of their identity settled, since their nonce is used by its transaction. It
 * reads the journal each time, so the order in which the two came, and a crash in between, make no difference.
 */
export async function closeVariants(
  journal: Pick<PaymentJournal, "winners" | "withIdentities">,
  chainId: number,
): Promise<Transition[]> {
  const winners = new Map(
    (await journal.winners({ chainId, limit: AT_ONCE })).map((row) => [row.identity, row.evidence]),
  );
  if (winners.size === 0) return [];
  const variants = await journal.withIdentities([...winners.keys()]);
  return variants.flatMap((variant): Transition[] => {
    const settled = winners.get(variant.identity);
    if (variant.state !== "queued" || settled?.kind !== "transfer") return [];
    const { transactionHash, blockNumber } = settled;
    const use = "used-by-variant";
    const evidence: Evidence = { kind: "nonce-use", use, transactionHash, blockNumber, logIndex: undefined };
    return [{ paymentId: variant.id, from: ["queued"], to: "already-used", reason: "already-used", evidence }];
  });
}
