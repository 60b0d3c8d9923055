import type { LocalAccount } from "viem";
import type { SignedAuthorization } from "../authorization/types.ts";
import type { ChainClient } from "../chain/client.ts";
import { awaitInclusion, nextTxNonce } from "../chain/submit.ts";
import type { SentTransaction } from "./journal.ts";
import type { PaymentOutcome } from "./outcome.ts";
import type { PreparedSettlement } from "./prepare.ts";
import type { MinedTransaction } from "./read.ts";
import { readSettlement } from "./read.ts";
import { INCLUSION_TIMEOUT_MS } from "./resume.ts";
import { screenBatches } from "./screen.ts";
import { send } from "./send.ts";

/** Where a delivery puts what it learns, and what it may do. */
export type Delivery = {
  readonly keep: (sent: SentTransaction) => void;
  readonly maxInFlight?: number | undefined;
  readonly inclusionTimeoutMs?: number | undefined;
  readonly maxFeePerGas?: bigint | undefined;
  readonly decide: (payment: SignedAuthorization, outcome: PaymentOutcome) => void;
  readonly mined: (transaction: MinedTransaction) => void;
};

type InFlight = {
  readonly sent: SentTransaction;
  readonly payments: readonly SignedAuthorization[];
  readonly sentAtMs: number;
};

const MAX_IN_FLIGHT = 8;

/**
 * Sends what the pre-flight of a plan lets through, several transactions in flight, and reads every outcome from its
 * transaction's logs. However it ends, it first waits for what it sent.
 * @throws what stops it: ChainUnavailableError, TransactionRefusedError, JournalError. Payments without an outcome then
 * were not sent.
 */
export async function deliver(
  client: ChainClient,
  account: LocalAccount,
  prepared: PreparedSettlement,
  delivery: Delivery,
): Promise<void> {
  const inFlight: InFlight[] = [];
  try {
    let txNonce: number | undefined;
    for await (const screened of screenBatches(client, prepared, account.address)) {
      if (screened.status === "excluded") {
        delivery.decide(screened.payment, screened.outcome);
        continue;
      }
      while (inFlight.length >= (delivery.maxInFlight ?? MAX_IN_FLIGHT)) await conclude(client, inFlight, delivery);
      const { batch, call, payments } = screened;
      txNonce ??= await nextTxNonce(client, account.address);
      const { keep, maxFeePerGas } = delivery;
      const sent = await send(client, account, batch, call, { txNonce, keep, maxFeePerGas });
      inFlight.push({ sent, payments, sentAtMs: Date.now() });
      txNonce += 1;
    }
  } finally {
    while (inFlight.length > 0) await conclude(client, inFlight, delivery);
  }
}

/** Waits for the oldest transaction, until its time is over, and decides its payments. */
async function conclude(client: ChainClient, inFlight: InFlight[], delivery: Delivery): Promise<void> {
  const oldest = inFlight.shift();
  if (oldest === undefined) return;
  const { sent, payments, sentAtMs } = oldest;
  const end = sentAtMs + (delivery.inclusionTimeoutMs ?? INCLUSION_TIMEOUT_MS);
  const inclusion = await awaitInclusion(client, sent, { timeoutMs: Math.max(0, end - Date.now()) });
  switch (inclusion.status) {
    case "mined": {
      const { transaction, outcomes } = readSettlement(sent, inclusion.receipt, payments, "now");
      delivery.mined(transaction);
      for (const [index, payment] of payments.entries()) {
        const outcome = outcomes[index];
        if (outcome !== undefined) delivery.decide(payment, outcome);
      }
      return;
    }
    case "unknown":
      for (const payment of payments) delivery.decide(payment, { status: "pending", transactionHash: sent.hash });
      return;
    case "replaced": {
      const message = `another transaction took the place of ${sent.hash}`;
      for (const payment of payments) delivery.decide(payment, { status: "not-attempted", message });
    }
  }
}
