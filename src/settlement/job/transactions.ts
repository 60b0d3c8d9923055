import type { Address, Hex, LocalAccount } from "viem";
import type { BatchRow } from "../../journal/ports/batches.ts";
import type { Journal } from "../../journal/ports/journal.ts";

/** A transaction of a job that was mined. Fees in wei; `feeWei` counts the data fee of an OP-stack chain too. */
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

/** From which txNonce on a key's transactions belong to a run: the first that was open when it began. */
export type JobStart = { readonly chainId: number; readonly firstTxNonces: ReadonlyMap<Address, number> };

/** Batches that are read at once: each holds its signed bytes. */
const BATCHES_AT_ONCE = 20;

/** Notes where the senders stand. Call it before the engine starts. */
export async function rememberStart(
  journal: Journal,
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
export async function readMined(journal: Journal, { chainId, firstTxNonces }: JobStart): Promise<MinedTransaction[]> {
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
async function minedOf(journal: Journal, { attempts, receipt }: BatchRow): Promise<MinedTransaction | undefined> {
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
