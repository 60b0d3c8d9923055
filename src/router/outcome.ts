import { type Address, decodeEventLog, type Hex, type Log } from "viem";
import type { SignedAuthorization } from "../authorization/types.ts";
import { settlementRouterArtifact } from "../contracts/SettlementRouter.ts";
import { decodeRefusal, type Refusal } from "./reason.ts";

/** The outcome of one authorization in a transaction, read from that item's own logs. */
export type ItemOutcome =
  /**
   * The token's `AuthorizationUsed`, right before the `Transfer` of exactly these terms. `logIndex` is the Transfer's.
   */
  | { readonly status: "settled"; readonly logIndex: number }
  /** The token refused it. Nothing moved, and this transaction did not use its nonce. */
  | { readonly status: "failed"; readonly refusal: Refusal }
  /** The transaction reverted, or the router's gas ran short before this item. It may be sent again. */
  | { readonly status: "not-attempted" }
  /** The token neither proved nor refused it, so the token does not follow EIP-3009. */
  | { readonly status: "unproven" };

/** The parts of a receipt that outcomes are read from. Logs in the order of the receipt. */
export type OutcomeReceipt = {
  readonly status: "success" | "reverted";
  readonly logs: readonly Pick<Log, "address" | "topics" | "data" | "logIndex">[];
};

/** `AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)` (EIP-3009). */
const AUTHORIZATION_USED = "0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5";
/** `Transfer(address indexed from, address indexed to, uint256 value)` (ERC-20). */
const TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";

/**
 * The outcome of every item of a router batch, in the order of the items. A settlement is proved by the pair of the
 * token's logs. So a batch is read correctly even if its transaction carries other calls, as long as no other batch
 * there has its id.
 */
export function readBatchOutcomes(
  receipt: OutcomeReceipt,
  batch: { readonly router: Address; readonly batchId: Hex; readonly authorizations: readonly SignedAuthorization[] },
): ItemOutcome[] {
  if (receipt.status === "reverted") return batch.authorizations.map(() => ({ status: "not-attempted" }));
  const proofs = readProofs(receipt);
  const { refusals, attempted } = readRouterEvents(receipt, batch);
  return batch.authorizations.map((authorization, index) => {
    const settled = prove(proofs, authorization);
    if (settled !== undefined) return settled;
    const refusal = refusals.get(`${index}:${authorization.from}:${authorization.nonce}`.toLowerCase());
    if (refusal !== undefined) return { status: "failed", refusal };
    return index < attempted ? { status: "unproven" } : { status: "not-attempted" };
  });
}

/** The outcome of one authorization that was sent to the token directly. */
export function readDirectOutcome(receipt: OutcomeReceipt, authorization: SignedAuthorization): ItemOutcome {
  if (receipt.status === "reverted") {
    const message = "the token reverted the transaction; a receipt holds no reason";
    return { status: "failed", refusal: { reason: "refused", message, data: "0x" } };
  }
  return prove(readProofs(receipt), authorization) ?? { status: "unproven" };
}

type Proof = { readonly to: string; readonly value: bigint; readonly logIndex: number };
type EventLog = OutcomeReceipt["logs"][number];

/** Every `AuthorizationUsed` with the `Transfer` of its payer right behind it, by token, payer and nonce. */
function readProofs({ logs }: OutcomeReceipt): Map<string, Proof> {
  const proofs = new Map<string, Proof>();
  for (let i = 0; i + 1 < logs.length; i += 1) {
    const [first, second] = [logs[i]!, logs[i + 1]!];
    const used = readUsed(first);
    const moved = used === undefined ? undefined : readTransfer(second);
    if (used === undefined || moved === undefined) continue;
    if (!isSame(first.address, second.address) || used.payer !== moved.payer) continue;
    const { to, value } = moved;
    const logIndex = second.logIndex ?? i + 1;
    proofs.set(`${first.address}:${used.payer}:${used.nonce}`.toLowerCase(), { to, value, logIndex });
  }
  return proofs;
}

function prove(proofs: Map<string, Proof>, authorization: SignedAuthorization): ItemOutcome | undefined {
  const proof = proofs.get(`${authorization.token}:${authorization.from}:${authorization.nonce}`.toLowerCase());
  if (proof === undefined) return undefined;
  // Another variant of the same identity moved. These terms did not.
  if (!isSame(proof.to, authorization.to) || proof.value !== authorization.value) return { status: "unproven" };
  return { status: "settled", logIndex: proof.logIndex };
}

// The token's two events are decoded here and not by viem's decodeEventLog, which computes the topics of all events of
// an ABI again for each log. With that, the receipt of a full batch would block the event loop for longer than a
// request may take.

function readUsed({ topics }: EventLog): { readonly payer: string; readonly nonce: Hex } | undefined {
  const [event, payer, nonce] = topics;
  if (topics.length !== 3 || event !== AUTHORIZATION_USED || payer === undefined || nonce === undefined)
    return undefined;
  return { payer: addressIn(payer), nonce };
}

function readTransfer({ topics, data }: EventLog): (Omit<Proof, "logIndex"> & { readonly payer: string }) | undefined {
  const [event, payer, to] = topics;
  if (topics.length !== 3 || event !== TRANSFER || payer === undefined || to === undefined) return undefined;
  if (data.length < WORD_LENGTH) return undefined;
  return { payer: addressIn(payer), to: addressIn(to), value: BigInt(data.slice(0, WORD_LENGTH)) };
}

/** The length of 32 bytes in hex, with the 0x. */
const WORD_LENGTH = 66;

/** The address at the end of a topic, in lower case. */
function addressIn(topic: Hex): string {
  return `0x${topic.slice(-40).toLowerCase()}`;
}

function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/**
 * What the router's events say about this batch. The events of a batch end with its `BatchSettled`, which counts its
 * failures. If a token's callback settled another batch meanwhile, that batch's events lie in between and end with a
 * `BatchSettled` of their own.
 */
function readRouterEvents(
  { logs }: OutcomeReceipt,
  { router, batchId }: { readonly router: Address; readonly batchId: Hex },
): { refusals: Map<string, Refusal>; attempted: number } {
  const refusals = new Map<string, Refusal>();
  const open: [key: string, refusal: Refusal][] = [];
  let attempted = 0;
  for (const log of logs) {
    const event = isSame(log.address, router) ? decodeRouterEvent(log) : undefined;
    if (event?.eventName === "AuthorizationFailed") {
      const { index, payer, nonce, reason } = event.args;
      open.push([`${index}:${payer}:${nonce}`.toLowerCase(), decodeRefusal(reason)]);
    } else if (event?.eventName === "BatchSettled") {
      const own = open.splice(Math.max(0, open.length - Number(event.args.failed)));
      if (event.args.batchId.toLowerCase() !== batchId.toLowerCase()) continue;
      for (const [key, refusal] of own) refusals.set(key, refusal);
      attempted = Math.max(attempted, Number(event.args.attempted));
    }
  }
  return { refusals, attempted };
}

function decodeRouterEvent(log: EventLog) {
  try {
    return decodeEventLog({ abi: settlementRouterArtifact.abi, topics: log.topics, data: log.data });
  } catch {
    return undefined;
  }
}
