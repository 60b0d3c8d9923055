import { type Address, getAddress, type Hex } from "viem";
import { authorizationId } from "../../authorization/identity.ts";
import type { SettlementLevel } from "../../journal/ports/evidence.ts";
import type { PaymentJournal, PaymentRow } from "../../journal/ports/payments.ts";
import { isDecided } from "../../journal/ports/payments.ts";
import { reasonText } from "../../journal/reasonText.ts";

/** What the journal knows about one nonce of a payer, for a caller who lost an answer. */
export type PaymentStatus = {
  readonly network: string;
  readonly asset: Address;
  readonly payer: Address;
  readonly nonce: Hex;
  /** One for each set of terms that the payer signed under this nonce. At most one of them ever settles. */
  readonly payments: readonly PaymentVariant[];
};

type PaymentVariant = {
  readonly state: PaymentRow["state"];
  /** Whether only a reorg can still change the state. */
  readonly decided: boolean;
  /** What is known of its settlement: preconfirmed, included, safe or final; undefined if it is not known to settle. */
  readonly level: SettlementLevel | undefined;
  /** Whether a final block proves that it can never settle. The payer may then safely pay again. */
  readonly neverSettles: boolean;
  /** Whether its one success was told to a caller. */
  readonly successTold: boolean;
  readonly payTo: Address | undefined;
  readonly amount: string | undefined;
  readonly validBefore: string;
  readonly reason: string | undefined;
  readonly batchId: string | undefined;
  readonly evidence: unknown;
  readonly history: readonly {
    readonly at: string;
    readonly state: string;
    readonly reason: string | undefined;
    readonly evidence: unknown;
  }[];
};

/** Reads the status of a payment; undefined if the journal does not have it. */
export async function readPaymentStatus(
  journal: PaymentJournal,
  at: {
    readonly network: string;
    readonly chainId: number;
    readonly asset: Address;
    readonly payer: Address;
    readonly nonce: Hex;
  },
): Promise<PaymentStatus | undefined> {
  const { network, chainId, asset, payer, nonce } = at;
  const identity = authorizationId({ chainId, token: asset, from: payer, nonce });
  const rows = await journal.variants(identity);
  if (rows.length === 0) return undefined;
  const payments = await Promise.all(rows.map((row) => describeVariant(journal, row)));
  return { network, asset: getAddress(asset), payer: getAddress(payer), nonce, payments };
}

async function describeVariant(journal: PaymentJournal, row: PaymentRow): Promise<PaymentVariant> {
  const { state, evidence, batchId, work, consumedAtMs } = row;
  const authorization = work.kind === "authorization" ? work.authorization : undefined;
  const history = await journal.history(row.id);
  return {
    state,
    decided: isDecided(row),
    level: "level" in evidence ? evidence.level : undefined,
    neverSettles: state === "expired" && evidence.kind === "deadline" && evidence.final,
    successTold: consumedAtMs !== undefined,
    payTo: authorization?.to,
    amount: authorization?.value.toString(),
    validBefore: row.deadlineSeconds.toString(),
    reason: reasonText(row),
    batchId,
    evidence: plain(evidence),
    history: history.map((step) => ({
      at: new Date(step.atMs).toISOString(),
      state: step.to,
      reason: reasonText(step),
      evidence: plain(step.evidence),
    })),
  };
}

/** A copy of a value with its bigints as decimal strings. */
function plain(value: object): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, item: unknown) => (typeof item === "bigint" ? item.toString() : item)),
  );
}
