import type { Address } from "viem";
import type { SignedAuthorization } from "../authorization/types.ts";
import type { GasModel, GasPrediction } from "../gas/index.ts";
import type { RouterItem } from "../router/index.ts";

/** A signed authorization and what is known about its payer. */
export type PlannablePayment = SignedAuthorization & {
  /** Whether the payer's account has code (ERC-1271, EIP-7702). Unknown counts as no code. */
  readonly payerHasCode?: boolean | undefined;
};

/** `chainId:token` in lower case, as {@link tokenKey} makes it. */
export type TokenKey = string;

/** Balances by token, then by account in lower case. If an account is missing, its balance is unknown. */
export type Balances = ReadonlyMap<TokenKey, ReadonlyMap<string, bigint>>;

/** What a plan may use. Gas in units of gas, times in seconds. */
export type PlanLimits = {
  /** The most gas that one transaction may ask for; EIP-7825 allows 2^24. */
  readonly maxGasPerTransaction: bigint;
  /** The gas limit of a block, if `blockShare` of it shall be another bound. */
  readonly blockGasLimit: bigint | undefined;
  /** Share of a block that one transaction may ask for, above 0 and at most 1. */
  readonly blockShare: number;
  /** The most items in a batch, at most 4,095. */
  readonly maxItems: number;
  /** The most calldata in a transaction; nodes refuse transactions above 128 KiB. */
  readonly maxCalldataBytes: number;
  /** Gas that one item of a payer without code may use. Raised to what the token needs in the worst case. */
  readonly gasAllowance: bigint;
  /** Gas that one item of a payer with code may use. Wallets that verify P-256 in Solidity need several 100,000. */
  readonly codePayerAllowance: bigint;
  /** The most that the allowances of payers with code may add up to in one batch: what they can burn together. */
  readonly codePayerAllowanceCeiling: bigint;
  /** A payment is no longer tried if its `validBefore` is at most this far ahead. */
  readonly safetyMarginSeconds: bigint;
  /** Deadlines further ahead than this, and than the whole plan takes, all count as equally far away. */
  readonly urgentWithinSeconds: bigint;
  /** How long a batch takes to be included, if two transactions never share a block. */
  readonly secondsPerBatch: bigint;
  /** Payments below this many atomic units are left out. */
  readonly minimumValue: bigint;
};

/** What a plan is made from. A fact that is left out is unknown, and no payment is dropped because of it. */
export type PlanInput = {
  /** The payments to plan, in any order. They may be of several chains and tokens. */
  readonly payments: readonly PlannablePayment[];
  /** The time to plan for, in Unix seconds: at least the latest block's. */
  readonly nowSeconds: bigint;
  /** Without the router every payment is settled by a transaction of its own. */
  readonly routerAvailable: boolean;
  /** The gas of the token and of the router, such as {@link CIRCLE_USDC_GAS} and {@link ROUTER_GAS}. */
  readonly gasModel: GasModel;
  /** Balances of payers (their budget) and of payees (a first payment to an empty account costs more). */
  readonly balances?: Balances | undefined;
  /** Identities (`authorizationId`) whose nonce is used or cancelled. */
  readonly usedAuthorizations?: ReadonlySet<string> | undefined;
  /** Payers to leave out, in lower case, such as those whose code burnt gas. */
  readonly heldPayers?: ReadonlySet<string> | undefined;
  /** Tokens that have no contract on their chain. */
  readonly missingTokens?: ReadonlySet<TokenKey> | undefined;
  /** Who will send the transactions, in case the sender is a payer too. */
  readonly sender?: Address | undefined;
  /** Replaces some of {@link DEFAULT_LIMITS}. */
  readonly limits?: Partial<PlanLimits> | undefined;
};

/** Why a payment is in no batch. Only the first four can never change. */
export type DropReason =
  /** The token refuses it from `validBefore` on. */
  | { readonly kind: "expired"; readonly validBefore: bigint }
  /** No second lies between its bounds. */
  | { readonly kind: "never-valid"; readonly validAfter: bigint; readonly validBefore: bigint }
  | { readonly kind: "already-used" }
  /** The token reverts with `ERC20: transfer to the zero address`. */
  | { readonly kind: "zero-payee" }
  /** The same terms are already in the plan, or deferred. */
  | { readonly kind: "duplicate"; readonly of: PlannablePayment }
  /** Other terms under the same identity are in the plan, or deferred. Once those settle, these never can. */
  | { readonly kind: "variant"; readonly of: PlannablePayment }
  /** Still valid, but the block that includes it may come too late. */
  | { readonly kind: "expires-too-soon"; readonly validBefore: bigint; readonly earliestDeadline: bigint }
  | { readonly kind: "missing-token" }
  | { readonly kind: "payer-held" }
  | { readonly kind: "below-minimum"; readonly value: bigint; readonly minimumValue: bigint }
  | { readonly kind: "underfunded"; readonly value: bigint; readonly balance: bigint }
  /** The balance would suffice if other payments of this plan did not already take `committed` of it. */
  | { readonly kind: "over-committed"; readonly value: bigint; readonly balance: bigint; readonly committed: bigint }
  | { readonly kind: "above-gas-cap"; readonly gas: bigint; readonly cap: bigint }
  | { readonly kind: "above-calldata-cap"; readonly bytes: number; readonly cap: number };

/** A payment that is in no batch, and why. */
export type DroppedPayment = { readonly payment: PlannablePayment; readonly reason: DropReason };

/** A payment that is not valid yet. The token takes it from `validFromSeconds` on. */
export type DeferredPayment = { readonly payment: PlannablePayment; readonly validFromSeconds: bigint };

/** One transaction of a plan. */
export type PlannedBatch = {
  /** `router`: a call of `settle` with all items. `direct`: the token's own `transferWithAuthorization`, one item. */
  readonly kind: "router" | "direct";
  readonly chainId: number;
  readonly token: Address;
  /** In the order of execution, ready for the encoder. Each `authorization` is the very payment of the input. */
  readonly items: readonly RouterItem[];
  /** How many items have payers with code. They come last. */
  readonly codePayers: number;
  /** Gas that each compact item may use; for a direct transfer, the gas for the token. */
  readonly gasAllowance: bigint;
  /** The transaction's gas limit, without refunds. */
  readonly gasLimit: bigint;
  /** What it will use if every item settles. */
  readonly predictedGas: GasPrediction;
  /** Length of the transaction's calldata in bytes. */
  readonly calldataBytes: number;
  /** Sum of the items' values, in atomic units. */
  readonly value: bigint;
  /** The lowest `validBefore` of the items. */
  readonly earliestDeadline: bigint;
};

/** Each payment of the input is in exactly one batch, or dropped, or deferred. */
export type Plan = {
  /** In the order in which to send them. */
  readonly batches: readonly PlannedBatch[];
  /** Payments that are not sent. */
  readonly dropped: readonly DroppedPayment[];
  /** Payments that are not valid yet. */
  readonly deferred: readonly DeferredPayment[];
};

/** The key under which {@link Balances} keeps a token. */
export function tokenKey(chainId: number, token: Address): TokenKey {
  return `${chainId}:${token.toLowerCase()}`;
}
