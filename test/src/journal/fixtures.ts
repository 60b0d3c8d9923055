import { type Address, getAddress, type Hex, maxUint256 } from "viem";
import { authorizationId, termsDigest } from "../../../src/authorization/identity.ts";
import {
  type Attempt,
  type AuthorizationRow,
  type AuthorizationWork,
  type Evidence,
  type Journal,
  type JournalOptions,
  type Lease,
  type NewBatch,
  type NewPayment,
  openJournal,
  type PaymentRow,
} from "../../../src/journal/index.ts";

/** A place at which this process and others can open a journal. */
export type Place = { readonly url: string; readonly options: JournalOptions };

export const chainId = 84532;
export const request: Evidence = { kind: "request", by: "test" };

export function openPlace({ url, options }: Place): Promise<Journal> {
  return openJournal(url, options);
}

export function addressOf(seed: number): Address {
  return getAddress(`0x${(0xa000_0000 + seed).toString(16).padStart(40, "0")}`);
}

export function hashOf(seed: number | string): Hex {
  return `0x${Buffer.from(`${seed}`).toString("hex").padStart(64, "0")}`;
}

export const sender = addressOf(1);

/** A payment with its own nonce. `variant` changes the terms under one identity. */
export function paymentOf(
  seed: number,
  change: Partial<Omit<NewPayment, "identity" | "digest" | "work">> & { variant?: number; chainId?: number } = {},
): NewPayment & { readonly work: AuthorizationWork } {
  const { variant = 0, chainId: chain = chainId, ...rest } = change;
  const authorization = {
    chainId: chain,
    token: addressOf(2),
    from: addressOf(3),
    to: addressOf(100 + variant),
    value: maxUint256 - BigInt(variant),
    validAfter: 0n,
    validBefore: maxUint256,
    nonce: hashOf(seed),
    signature: `0x${"5a".repeat(65)}`,
  } as const;
  return {
    identity: authorizationId(authorization),
    digest: termsDigest(authorization),
    work: { kind: "authorization", authorization, payerHasCode: variant % 2 === 1 },
    deadlineSeconds: 1_900_000_000n,
    acceptedBlock: 10n,
    source: undefined,
    ...rest,
  };
}

export async function acceptAll(journal: Journal, payments: readonly NewPayment[], nowMs = 1): Promise<PaymentRow[]> {
  return (await journal.accept(payments, nowMs)).map(({ row }) => row);
}

/** Accepts payments with these seeds, all queued. */
export function acceptSeeds(journal: Journal, ...seeds: number[]): Promise<PaymentRow[]> {
  return acceptAll(
    journal,
    seeds.map((seed) => paymentOf(seed)),
  );
}

export async function lease(journal: Journal, change: Partial<Lease> & { ttlMs?: number } = {}): Promise<Lease> {
  const { owner = "engine", ttlMs = 1_000_000 } = change;
  const key = { chainId: change.chainId ?? chainId, sender: change.sender ?? sender };
  const answer = await journal.acquireLease({ ...key, owner, ttlMs });
  if ("heldBy" in answer) throw new Error(`held by ${answer.heldBy.owner}`);
  return answer.lease;
}

/** Takes a key from its owner, like a process that has watched the lease for its whole life. */
export async function takeOver(journal: Journal, owner: string, change: Partial<Lease> = {}): Promise<Lease> {
  const key = { chainId: change.chainId ?? chainId, sender: change.sender ?? sender, owner, ttlMs: 100 };
  const first = await journal.acquireLease(key);
  const answer = "heldBy" in first ? await journal.acquireLease({ ...key, abandoned: first.heldBy }) : first;
  if ("heldBy" in answer) throw new Error(`held by ${answer.heldBy.owner}`);
  return answer.lease;
}

export function attemptOf(
  name: number | string,
  payments: readonly PaymentRow[],
  change: Partial<Attempt> = {},
): Attempt {
  return {
    hash: hashOf(`tx ${name}`),
    raw: "0x02abcdef",
    gas: 100_000n,
    maxFeePerGas: 2n ** 90n,
    maxPriorityFeePerGas: 1_000_000n,
    paymentIds: payments.map(({ id }) => id),
    kind: payments.length === 0 ? "noop" : "router",
    router: payments.length === 0 ? undefined : addressOf(9),
    createdAtMs: 5,
    broadcastAtMs: undefined,
    ...change,
  };
}

export function batchOf(txNonce: number, payments: readonly PaymentRow[], change: Partial<NewBatch> = {}): NewBatch {
  const id = hashOf(`batch ${txNonce}`);
  return { id, chainId, sender, txNonce, attempt: attemptOf(txNonce, payments), ...change };
}

/** Moves payments on, whatever their state. */
export function move(journal: Journal, payments: readonly PaymentRow[], to: PaymentRow["state"], nowMs = 50) {
  const from = ["queued", "batched", "submitted", "settled", "rejected", "settled-elsewhere"] as const;
  return journal.transition(
    payments.map(({ id }) => ({ paymentId: id, from, to, evidence: request })),
    nowMs,
  );
}

export async function stateOf(journal: Journal, { id }: PaymentRow): Promise<PaymentRow["state"] | undefined> {
  return (await journal.payment(id))?.state;
}

/** The batch of {@link settledRowOf}. */
export const SETTLED_BATCH = hashOf("batch 7");

/** A payment that the first attempt of its batch settled. */
export function settledRowOf(id: number, change: Partial<AuthorizationRow> = {}): AuthorizationRow {
  const evidence: Evidence = {
    kind: "transfer",
    transactionHash: hashOf("tx 7"),
    blockNumber: 11n,
    blockHash: hashOf("block 11"),
    logIndex: 20 + id,
    gasShare: 52_000n,
    feeShareWei: 1n,
    level: "included",
  };
  return {
    ...paymentOf(id),
    id,
    chainId: 84532,
    state: "settled",
    reason: undefined,
    reasonCount: undefined,
    evidence,
    batchId: SETTLED_BATCH,
    acceptedAtMs: 0,
    updatedAtMs: 0,
    tries: 1,
    nextTryAtMs: 0,
    consumedAtMs: undefined,
    ...change,
  };
}
