import {
  type Address,
  decodeFunctionData,
  getAddress,
  type Hex,
  isAddressEqual,
  type Transaction,
  TransactionNotFoundError,
  type TransactionReceipt,
} from "viem";
import type { SignedAuthorization } from "../../authorization/types.ts";
import { ask, unavailable } from "../../chain/ask.ts";
import type { ChainClient } from "../../chain/client.ts";
import { findReceipt } from "../../chain/sending/submit.ts";
import { ierc3009Artifact } from "../../contracts/IERC3009.ts";
import { ROUTER_ADDRESS } from "../../deployment.ts";
import {
  decodeSettle,
  type ItemOutcome,
  RouterDecodingError,
  readBatchOutcomes,
  readDirectOutcome,
  type SettleCall,
} from "../../router/index.ts";
import { dataFeeOf, shareOf } from "../outcome/receipts/costs.ts";
import { type LoggedBatch, readLoggedBatches, readLoggedSettlements } from "./inspectLogs.ts";

/** One payment of an inspected transaction. A field is undefined if the logs do not tell it. */
export type InspectedItem = {
  /** Position in its batch, from 0. */
  readonly index: number | undefined;
  readonly from: Address;
  readonly to: Address | undefined;
  readonly value: bigint | undefined;
  readonly nonce: Hex;
  readonly outcome: ItemOutcome;
  /** This payment's part of the transaction's gas; undefined if it was not attempted. */
  readonly gasShare: bigint | undefined;
};

/**
 * What one call settled. `via` says where that was read: in the calldata of a call of the router, in the router's logs
 * alone, in the calldata of a call of the token (`direct`), or in the token's logs alone.
 */
export type InspectedBatch = {
  readonly via: "router" | "router-logs" | "direct" | "token-logs";
  readonly token: Address | undefined;
  readonly router: Address | undefined;
  /** The label that the caller chose. It proves nothing. */
  readonly batchId: Hex | undefined;
  /** Who called the router, or the token. */
  readonly caller: Address | undefined;
  readonly items: readonly InspectedItem[];
};

/** Which transaction to inspect. */
export type InspectOptions = {
  /** The hash of the transaction. */
  readonly hash: Hex;
  /** The router to look for; the deployed one by default. Events of other contracts are ignored. */
  readonly router?: Address;
};

/** What is known of a transaction hash. */
export type Inspection =
  | { readonly status: "unknown" }
  | {
      readonly status: "pending";
      readonly from: Address;
      readonly txNonce: number;
      /** The offer per gas and the newest block's base fee, in wei. The transaction waits while its offer is lower. */
      readonly maxFeePerGas: bigint;
      readonly baseFeePerGas: bigint;
    }
  | { readonly status: "no-settlement"; readonly to: Address | undefined; readonly succeeded: boolean }
  | {
      readonly status: "settlement";
      readonly hash: Hex;
      readonly blockNumber: bigint;
      readonly succeeded: boolean;
      readonly sender: Address;
      readonly gasUsed: bigint;
      /** In wei, data fee included. */
      readonly feeWei: bigint;
      readonly dataFeeWei: bigint;
      readonly batches: readonly InspectedBatch[];
      readonly settled: number;
      readonly failed: number;
      readonly notAttempted: number;
    };

/**
 * Reads what a transaction carried and what became of each item, from its calldata and its own logs. If another
 * contract called the router or the token, only the logs tell: then only the payer and the nonce of a failed item are
 * known.
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function inspectSettlement(client: ChainClient, options: InspectOptions): Promise<Inspection> {
  const { hash, router = ROUTER_ADDRESS } = options;
  const transaction = await findTransaction(client, hash);
  if (transaction === undefined) return { status: "unknown" };
  const receipt = await findReceipt(client, hash);
  if (receipt === undefined) {
    const { from, nonce: txNonce, maxFeePerGas = transaction.gasPrice ?? 0n } = transaction;
    const { baseFeePerGas } = await ask("its newest block", client.getBlock({ blockTag: "latest" }));
    return {
      status: "pending",
      from: getAddress(from),
      txNonce,
      maxFeePerGas,
      baseFeePerGas: baseFeePerGas ?? 0n,
    };
  }

  const found = readBatches(transaction, receipt, client.chain.id, router);
  const succeeded = receipt.status === "success";
  if (found.length === 0) return { status: "no-settlement", to: checksummed(transaction.to), succeeded };
  const batches = shareGas(found, receipt.gasUsed);
  const count = (statuses: readonly ItemOutcome["status"][]) =>
    batches.flatMap(({ items }) => items).filter(({ outcome }) => statuses.includes(outcome.status)).length;
  const dataFeeWei = dataFeeOf(receipt);
  return {
    status: "settlement",
    hash,
    blockNumber: receipt.blockNumber,
    succeeded,
    sender: getAddress(transaction.from),
    gasUsed: receipt.gasUsed,
    feeWei: receipt.gasUsed * receipt.effectiveGasPrice + dataFeeWei,
    dataFeeWei,
    batches,
    settled: count(["settled"]),
    failed: count(["failed", "unproven"]),
    notAttempted: count(["not-attempted"]),
  };
}

/** An item whose share of the gas is not worked out yet. */
type BareItem = Omit<InspectedItem, "gasShare">;
type BareBatch = Omit<InspectedBatch, "items"> & { readonly items: readonly BareItem[] };

function readBatches(
  transaction: Transaction,
  receipt: TransactionReceipt,
  chainId: number,
  router: Address,
): BareBatch[] {
  const { to, from, input } = transaction;
  if (to !== null && isAddressEqual(to, router)) {
    const call = decodeCall(input, chainId);
    if (call !== undefined) return [routedBatch(call, receipt, router, getAddress(from))];
  }
  const logged = readLoggedBatches(receipt.logs, router);
  if (logged.length > 0) return logged.map((batch) => fromLogs(batch, router));

  const direct = to === null ? undefined : decodeTransfer(input, { chainId, token: to });
  if (direct !== undefined) {
    const outcome = readDirectOutcome(receipt, direct);
    const items = [{ ...termsOf(direct), index: 0, outcome }];
    return [
      { via: "direct", token: direct.token, router: undefined, batchId: undefined, caller: getAddress(from), items },
    ];
  }
  const settled = readLoggedSettlements(receipt.logs);
  const tokens = [...new Set(settled.map(({ token }) => token))];
  return tokens.map((token): BareBatch => {
    const items = settled
      .filter((one) => one.token === token)
      .map(({ logIndex, ...one }): BareItem => {
        return {
          index: undefined,
          from: one.from,
          to: one.to,
          value: one.value,
          nonce: one.nonce,
          outcome: { status: "settled", logIndex },
        };
      });
    return { via: "token-logs", token, router: undefined, batchId: undefined, caller: checksummed(to), items };
  });
}

function routedBatch(call: SettleCall, receipt: TransactionReceipt, router: Address, caller: Address): BareBatch {
  const authorizations = call.items.map(({ authorization }) => authorization);
  const outcomes = readBatchOutcomes(receipt, { router, batchId: call.batchId, authorizations });
  const items = authorizations.map((authorization, index): BareItem => {
    return { ...termsOf(authorization), index, outcome: outcomes[index] ?? { status: "not-attempted" } };
  });
  return { via: "router", token: call.token, router, batchId: call.batchId, caller, items };
}

function fromLogs({ batchId, caller, attempted, settled, failed }: LoggedBatch, router: Address): BareBatch {
  // Settled items have the positions without a failure, in order, unless another call settled something in between.
  const failedAt = new Set(failed.map(({ index }) => index));
  const open = Array.from({ length: attempted }, (_, index) => index).filter((index) => !failedAt.has(index));
  const isCertain = open.length === settled.length;
  const items: BareItem[] = [
    ...settled.map(({ from, to, value, nonce, logIndex }, at): BareItem => {
      return {
        index: isCertain ? open[at] : undefined,
        from,
        to,
        value,
        nonce,
        outcome: { status: "settled", logIndex },
      };
    }),
    ...failed.map(({ index, payer, nonce, refusal }): BareItem => {
      return { index, from: payer, to: undefined, value: undefined, nonce, outcome: { status: "failed", refusal } };
    }),
  ];
  items.sort((a, b) => (a.index ?? attempted) - (b.index ?? attempted));
  return { via: "router-logs", token: settled[0]?.token, router, batchId, caller, items };
}

function shareGas(batches: readonly BareBatch[], gasUsed: bigint): InspectedBatch[] {
  const isAttempted = ({ outcome }: BareItem) => outcome.status !== "not-attempted";
  const attempted = batches.flatMap(({ items }) => items).filter(isAttempted).length;
  let sharers = 0;
  return batches.map((batch) => {
    const items = batch.items.map((item): InspectedItem => {
      if (!isAttempted(item)) return { ...item, gasShare: undefined };
      sharers += 1;
      return { ...item, gasShare: shareOf(gasUsed, attempted, sharers - 1) };
    });
    return { ...batch, items };
  });
}

function termsOf({
  from,
  to,
  value,
  nonce,
}: SignedAuthorization): Pick<InspectedItem, "from" | "to" | "value" | "nonce"> {
  return { from, to, value, nonce };
}

function checksummed(address: Address | null): Address | undefined {
  return address === null ? undefined : getAddress(address);
}

function decodeCall(input: Hex, chainId: number): SettleCall | undefined {
  try {
    return decodeSettle(input, chainId);
  } catch (error) {
    if (error instanceof RouterDecodingError) return undefined;
    throw error;
  }
}

/** The authorization in a direct call of the token's `transferWithAuthorization`, either overload. */
function decodeTransfer(input: Hex, at: { chainId: number; token: Address }): SignedAuthorization | undefined {
  try {
    const { functionName, args } = decodeFunctionData({ abi: ierc3009Artifact.abi, data: input });
    if (functionName !== "transferWithAuthorization") return undefined;
    const [from, to, value, validAfter, validBefore, nonce] = args;
    return { ...at, from, to, value, validAfter, validBefore, nonce, signature: "0x" };
  } catch {
    return undefined;
  }
}

async function findTransaction(client: ChainClient, hash: Hex): Promise<Transaction | undefined> {
  try {
    return await client.getTransaction({ hash });
  } catch (error) {
    if (error instanceof TransactionNotFoundError) return undefined;
    throw unavailable(`the transaction ${hash}`, error);
  }
}
