import type { Hex } from "viem";

/** How sure the settlement of a mined payment is: mined, in a safe block, in a final block. */
export type BlockLevel = "included" | "safe" | "final";

/** How sure a settlement is. `preconfirmed` is less than a block: the sequencer has said it, and may take it back. */
export type SettlementLevel = "preconfirmed" | BlockLevel;

/** Why a payment is in its state: what was seen, where. Kept with every step of its history. */
export type Evidence =
  | { readonly kind: "accepted"; readonly block: bigint }
  /** The token's own logs in a receipt. `gasShare` and `feeShareWei` are this payment's part of the transaction. */
  | {
      readonly kind: "transfer";
      readonly transactionHash: Hex;
      readonly blockNumber: bigint;
      readonly blockHash: Hex;
      readonly logIndex: number;
      readonly gasShare: bigint;
      readonly feeShareWei: bigint;
      readonly level: BlockLevel;
    }
  /** A call other than an authorization was mined. Gas and fee are its part of the transaction's. */
  | {
      readonly kind: "receipt";
      readonly transactionHash: Hex;
      readonly blockNumber: bigint;
      readonly blockHash: Hex;
      readonly gasUsed: bigint;
      readonly feeWei: bigint;
      readonly level: BlockLevel;
    }
  /** The token refused it in a mined transaction, or in a pre-flight (without a transaction). */
  | {
      readonly kind: "refusal";
      readonly reason: string;
      readonly message: string;
      readonly transactionHash: Hex | undefined;
      readonly blockNumber: bigint;
      readonly data: Hex;
    }
  /** Its nonce is used, cancelled or spent on a variant. The transaction is given if it was found. */
  | {
      readonly kind: "nonce-use";
      readonly use: "settled" | "used-by-variant" | "cancelled" | "unknown";
      readonly transactionHash: Hex | undefined;
      readonly blockNumber: bigint;
      readonly logIndex: number | undefined;
    }
  /**
   * Negative proof: at this block `validBefore` had passed and the nonce was unused. If the block is final, the payer
   * may safely pay again.
   */
  | {
      readonly kind: "deadline";
      readonly blockNumber: bigint;
      readonly blockTimestamp: bigint;
      readonly final: boolean;
    }
  /** It went into this batch, under this attempt. */
  | { readonly kind: "batch"; readonly batchId: Hex; readonly transactionHash: Hex }
  /**
   * Every attempt's txNonce was used by another transaction at confirmed depth, or the batch ended before this item.
   */
  | { readonly kind: "returned"; readonly why: string; readonly transactionHash: Hex | undefined }
  /**
   * The sequencer said, before there is a block, that the block with this number settles it (a preconfirmation). The log
   * has this index in that block as far as it was built.
   */
  | {
      readonly kind: "preconfirmation";
      readonly transactionHash: Hex;
      readonly blockNumber: bigint;
      readonly logIndex: number;
      readonly seenAtMs: number;
      readonly level: "preconfirmed";
    }
  /** What the sequencer had said of this block is not so any more. Its transaction is handed out again. */
  | { readonly kind: "preconfirmation-lost"; readonly transactionHash: Hex; readonly blockNumber: bigint }
  /** The block that it settled in is no longer on the chain. */
  | { readonly kind: "reorg"; readonly blockNumber: bigint; readonly blockHash: Hex }
  /** An operator or a caller asked for it. */
  | { readonly kind: "request"; readonly by: string };

/** The transaction that evidence names; undefined if it names none. */
export function transactionOf({ evidence }: { readonly evidence: Evidence }): Hex | undefined {
  return "transactionHash" in evidence ? evidence.transactionHash : undefined;
}
