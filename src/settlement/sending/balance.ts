import type { Address } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import type { BroadcastAnswer } from "../../chain/sending/broadcast.ts";
import type { Attempt, BatchRow } from "../../journal/ports/batches.ts";
import type { Logger } from "../../logger.ts";
import type { EnginePolicy } from "../policy.ts";

/** Whether a sender can pay for gas. */
export type BalanceWatch = {
  readonly isLow: () => boolean;
  /** Notes that a node refused this attempt because the sender has too little ether. */
  readonly refused: (attempt: Attempt) => Promise<void>;
  /** Looks at the balance if that matters. Calls `again` for each refused batch that the balance covers now. */
  readonly look: (
    open: readonly { readonly batch: BatchRow; readonly answer: BroadcastAnswer | undefined }[],
    again: (batch: BatchRow) => void,
  ) => Promise<void>;
};

/**
 * Pauses one sender that cannot pay: its balance is below the operator's minimum, or a node said so. After a node said
 * so, the sender stays paused until its balance has grown and covers all open batches. The pause is logged once, as an
 * error.
 */
export function createBalanceWatch(options: {
  readonly client: ChainClient;
  readonly address: Address;
  readonly policy: Pick<EnginePolicy, "minimumSenderBalanceWei">;
  readonly logger: Logger;
}): BalanceWatch {
  const { client, address, policy, logger } = options;
  let low = false;
  /** If there is a minimum, nothing is sent before the first look. */
  let hasLooked = policy.minimumSenderBalanceWei === 0n;
  /** The balance at the time when a node said that it is not enough. */
  let refusedAtWei: bigint | undefined;

  const read = () => client.getBalance({ address });
  function set(isLow: boolean, balance: bigint | undefined, needed: bigint): void {
    if (isLow === low) return;
    low = isLow;
    const fields = { sender: address, balance, needed };
    if (low) logger.error("the sender cannot pay for gas and is paused: send ether to it", fields);
    else logger.info("the sender can pay for gas again", fields);
  }

  return {
    isLow: () => low || !hasLooked,
    refused: async (attempt) => {
      // The most recent refusal decides: a node also counts pending transactions, and on an OP-stack chain the data
      // fee.
      refusedAtWei = await read().catch(() => 0n);
      set(true, refusedAtWei, costOf(attempt));
    },
    look: async (open, again) => {
      const unpaid = open.filter(({ answer }) => answer === "insufficient-funds");
      if (unpaid.length === 0) refusedAtWei = undefined;
      if (policy.minimumSenderBalanceWei === 0n && unpaid.length === 0 && !low) return;
      const balance = await read();
      hasLooked = true;
      const cost = open.reduce((sum, { batch }) => sum + costOf(batch.attempts.at(-1)), 0n);
      const needed = unpaid.length > 0 && cost > policy.minimumSenderBalanceWei ? cost : policy.minimumSenderBalanceWei;
      const isRefused = refusedAtWei !== undefined && (balance <= refusedAtWei || balance < needed);
      set(isRefused || balance < needed, balance, needed);
      if (isRefused || balance < needed) return;
      for (const { batch } of unpaid) again(batch);
    },
  };
}

function costOf(attempt: Attempt | undefined): bigint {
  return attempt === undefined ? 0n : attempt.gas * attempt.maxFeePerGas;
}
