import type { Address, Hex, LocalAccount } from "viem";
import type { BatchJournal, BatchRow } from "../../journal/ports/batches.ts";
import type { NoteJournal } from "../../journal/ports/notes.ts";
import type { PaymentJournal } from "../../journal/ports/payments.ts";

/** A mined transaction of a job. Fees are in wei; `feeWei` includes the data fee of an OP-stack chain. */
export type MinedTransaction = {
  readonly hash: Hex;
  readonly kind: "router" | "direct";
  readonly blockNumber: bigint;
  readonly succeeded: boolean;
  readonly gasUsed: bigint;
  readonly feeWei: bigint;
  readonly dataFeeWei: bigint;
  readonly payments: number;
  readonly settled: number;
};

/**
 * The first txNonce of each key that belongs to a run: the lowest one that was open when the run began, or the next
 * one.
 */
export type JobStart = { readonly chainId: number; readonly firstTxNonces: ReadonlyMap<Address, number> };

/** How many batches are read at once. It is small, because each holds its signed bytes. */
const BATCHES_AT_ONCE = 20;

/** Notes each sender's first txNonce of this run. Call it before the engine starts. */
export async function rememberStart(
  journal: PaymentJournal & BatchJournal & NoteJournal,
  chainId: number,
  senders: readonly Pick<LocalAccount, "address">[],
): Promise<JobStart> {
  const firstTxNonces = new Map<Address, number>();
  for (const { address } of senders) {
    const [oldest] = await journal.batches({ chainId, sender: address, states: ["open"], limit: 1 });
    const last = await journal.lastTxNonce(chainId, address);
    firstTxNonces.set(address, oldest?.txNonce ?? (last ?? -1) + 1);
  }
  return { chainId, firstTxNonces };
}

/** The transactions of these senders that were mined since. */
export async function readMined(
  journal: PaymentJournal & BatchJournal & NoteJournal,
  { chainId, firstTxNonces }: JobStart,
): Promise<MinedTransaction[]> {
  const mined: MinedTransaction[] = [];
  for (const [sender, firstTxNonce] of firstTxNonces) {
    for (let fromTxNonce = firstTxNonce; ; ) {
      const batches = await journal.batches({
        chainId,
        sender,
        states: ["mined", "final"],
        fromTxNonce,
        limit: BATCHES_AT_ONCE,
      });
      for (const batch of batches) {
        const transaction = await minedOf(journal, batch);
        if (transaction !== undefined) mined.push(transaction);
      }
      const last = batches.at(-1);
      if (last === undefined || batches.length < BATCHES_AT_ONCE) break;
      fromTxNonce = last.txNonce + 1;
    }
  }
  return mined;
}

/** A mined batch as a transaction of a report. Its payments are those of the attempt that was mined. */
async function minedOf(
  journal: PaymentJournal & BatchJournal & NoteJournal,
  { attempts, receipt }: BatchRow,
): Promise<MinedTransaction | undefined> {
  const attempt = attempts.find(({ hash }) => hash === receipt?.hash);
  if (receipt === undefined || attempt === undefined) return undefined;
  const payments = await journal.withIds(attempt.paymentIds);
  const settled = payments.filter(
    ({ state, evidence }) =>
      state === "settled" && evidence.kind === "transfer" && evidence.transactionHash === receipt.hash,
  );
  const { hash, blockNumber, succeeded, gasUsed, feeWei, dataFeeWei } = receipt;
  return {
    hash,
    kind: attempt.kind === "router" ? "router" : "direct",
    blockNumber,
    succeeded,
    gasUsed,
    feeWei,
    dataFeeWei,
    payments: attempt.paymentIds.length,
    settled: settled.length,
  };
}
