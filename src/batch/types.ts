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

/** Balances by token and, within it, by account in lower case. An account that is missing has an unknown balance. */
export type Balances = ReadonlyMap<TokenKey, ReadonlyMap<string, bigint>>;

/** What a plan may use. Gas in units of gas, times in seconds. */
export type PlanLimits = {
  /** The most gas that one transaction may ask for; EIP-7825 allows 2^24. */
  readonly maxGasPerTransaction: bigint;
  /** Gas limit of a block, if `blockShare` of it is another bound. */
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
  /** The most that the allowances of payers with code may sum up to in one batch: what they can burn together. */
  readonly codePayerAllowanceCeiling: bigint;
  /** A payment whose `validBefore` is not more than this ahead is not tried any more. */
  readonly safetyMarginSeconds: bigint;
  /** Deadlines further ahead than this, and than the whole plan takes, all count as equally far away. */
  readonly urgentWithinSeconds: bigint;
  /** How long a batch takes to be included, two transactions never sharing a block. */
  readonly secondsPerBatch: bigint;
  /** Payments below this many atomic units are left out. */
  readonly minimumValue: bigint;
};

export type PlanInput = {
  readonly payments: readonly PlannablePayment[];
  /** The time to plan for, in Unix seconds: at least the latest block's. */
  readonly nowSeconds: bigint;
  /** Without the router every payment is settled by a transaction of its own. */
  readonly routerAvailable: boolean;
  readonly gasModel: GasModel;
  /** Of payers (budget, drained payers) and of payees (first payment to an empty account). */
  readonly balances?: Balances | undefined;
  /** Identities (`authorizationId`) whose nonce is used or cancelled. */
  readonly usedAuthorizations?: ReadonlySet<string> | undefined;
  /** Payers to leave out, in lower case, such as those whose code burnt gas. */
  readonly heldPayers?: ReadonlySet<string> | undefined;
  /** Tokens that are no contract on their chain. */
  readonly missingTokens?: ReadonlySet<TokenKey> | undefined;
  /** Who will send the transactions, in case it is a payer too. */
  readonly sender?: Address | undefined;
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
  /** The same terms are in the plan, or in the list of deferred payments, already. */
  | { readonly kind: "duplicate"; readonly of: PlannablePayment }
  /** Other terms under the same identity are in the plan, or deferred; once those settle, these never can. */
  | { readonly kind: "variant"; readonly of: PlannablePayment }
  /** Still valid, but the block that includes it may come too late. */
  | { readonly kind: "expires-too-soon"; readonly validBefore: bigint; readonly earliestDeadline: bigint }
  | { readonly kind: "missing-token" }
  | { readonly kind: "payer-held" }
  | { readonly kind: "below-minimum"; readonly value: bigint; readonly minimumValue: bigint }
  | { readonly kind: "underfunded"; readonly value: bigint; readonly balance: bigint }
  /** The balance would do, had other payments of this plan not been promised `committed` of it. */
  | { readonly kind: "over-committed"; readonly value: bigint; readonly balance: bigint; readonly committed: bigint }
  | { readonly kind: "above-gas-cap"; readonly gas: bigint; readonly cap: bigint }
  | { readonly kind: "above-calldata-cap"; readonly bytes: number; readonly cap: number };

export type DroppedPayment = { readonly payment: PlannablePayment; readonly reason: DropReason };

/** A payment that is not valid yet; the token takes it from `validFromSeconds` on. */
export type DeferredPayment = { readonly payment: PlannablePayment; readonly validFromSeconds: bigint };

/** One transaction of a plan. */
export type PlannedBatch = {
  /** `router`: a call of `settle` with all items. `direct`: the token's own `transferWithAuthorization`, one item. */
  readonly kind: "router" | "direct";
  readonly chainId: number;
  readonly token: Address;
  /** In the order of execution, ready for the encoder; each `authorization` is the payment of the input itself. */
  readonly items: readonly RouterItem[];
  /** How many items at the end are of payers with code. */
  readonly codePayers: number;
  /** Gas that each compact item may use; of a direct transfer, the gas for the token. */
  readonly gasAllowance: bigint;
  /** The transaction's gas limit, refunds not counted. */
  readonly gasLimit: bigint;
  /** What it will use if every item settles. */
  readonly predictedGas: GasPrediction;
  readonly calldataBytes: number;
  /** Sum of the items' values, in atomic units. */
  readonly value: bigint;
  /** The lowest `validBefore` of the items. */
  readonly earliestDeadline: bigint;
};

/** Each payment of the input is in exactly one batch, or dropped, or deferred. */
export type Plan = {
  readonly batches: readonly PlannedBatch[];
  readonly dropped: readonly DroppedPayment[];
  readonly deferred: readonly DeferredPayment[];
};

/** The key under which {@link Balances} keeps a token. */
export function tokenKey(chainId: number, token: Address): TokenKey {
  return `${chainId}:${token.toLowerCase()}`;
}
