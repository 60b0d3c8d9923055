import type { PaymentRow } from "../../journal/ports/payments.ts";
import { isReason, type Reason } from "../../reasons.ts";

/**
 * Why a payment is not valid or did not settle, in the words of the official packages: the strings of x402 v2 in @x402/evm,
 * which other implementations repeat to the letter.
 */
export const REASON = {
  invalidPayload: "invalid_payload",
  invalidVersion: "invalid_x402_version",
  unsupportedScheme: "unsupported_scheme",
  unsupportedPayload: "unsupported_payload_type",
  invalidNetwork: "invalid_network",
  invalidRequirements: "invalid_payment_requirements",
  networkMismatch: "invalid_exact_evm_network_mismatch",
  recipientMismatch: "invalid_exact_evm_recipient_mismatch",
  valueMismatch: "invalid_exact_evm_payload_authorization_value_mismatch",
  value: "invalid_exact_evm_authorization_value",
  signature: "invalid_exact_evm_signature",
  validBefore: "invalid_exact_evm_payload_authorization_valid_before",
  validAfter: "invalid_exact_evm_payload_authorization_valid_after",
  nonceUsed: "invalid_exact_evm_nonce_already_used",
  insufficientBalance: "invalid_exact_evm_insufficient_balance",
  factoryNotAllowed: "eip6492_factory_not_allowed",
  deploymentFailed: "smart_wallet_deployment_failed",
  notSupported: "invalid_exact_evm_eip3009_not_supported",
  notDeployed: "asset_not_deployed_contract",
  simulationFailed: "invalid_exact_evm_transaction_simulation_failed",
  transactionFailed: "invalid_exact_evm_transaction_failed",
  invalidState: "invalid_transaction_state",
  duplicate: "duplicate_settlement",
  pending: "settlement_pending",
  verifyError: "unexpected_verify_error",
  settleError: "unexpected_settle_error",
} as const;

/** Reasons of x402 v1, as its package lists them. Typed clients accept no others. */
const toV1: Readonly<Record<string, string>> = {
  [REASON.unsupportedPayload]: "invalid_payload",
  invalid_exact_evm_scheme: "invalid_scheme",
  invalid_exact_evm_missing_eip712_domain: "invalid_payment_requirements",
  [REASON.networkMismatch]: "invalid_network",
  [REASON.recipientMismatch]: "invalid_exact_evm_payload_recipient_mismatch",
  [REASON.valueMismatch]: "invalid_exact_evm_payload_authorization_value",
  [REASON.value]: "invalid_exact_evm_payload_authorization_value",
  [REASON.signature]: "invalid_exact_evm_payload_signature",
  [REASON.nonceUsed]: "duplicate_settlement",
  [REASON.insufficientBalance]: "insufficient_funds",
  [REASON.factoryNotAllowed]: "invalid_exact_evm_payload_undeployed_smart_wallet",
  [REASON.deploymentFailed]: "invalid_exact_evm_payload_undeployed_smart_wallet",
  [REASON.notDeployed]: "invalid_payment_requirements",
  [REASON.notSupported]: "invalid_payment_requirements",
  invalid_exact_evm_token_name_mismatch: "invalid_payment_requirements",
  invalid_exact_evm_token_version_mismatch: "invalid_payment_requirements",
  [REASON.simulationFailed]: "invalid_payment",
  [REASON.transactionFailed]: "invalid_transaction_state",
  invalid_exact_evm_transfer_event_mismatch: "invalid_transaction_state",
  invalid_exact_evm_failed_to_parse_signature: "invalid_exact_evm_payload_signature",
  // In v1 every answer is final; see the documentation of the facilitator.
  [REASON.pending]: "unexpected_settle_error",
};

/** A reason in the words of the client's version of x402. */
export function reasonFor(version: 1 | 2, reason: string): string {
  return version === 2 ? reason : (toV1[reason] ?? reason);
}

/** Why a decided payment did not settle, in the words of x402 v2. */
export function reasonOfRow({ state, reason, evidence }: Pick<PaymentRow, "state" | "reason" | "evidence">): {
  readonly reason: string;
  readonly message: string;
} {
  const said = evidence.kind === "refusal" ? evidence.message : undefined;
  switch (state) {
    case "already-used":
    case "settled-elsewhere":
      return { reason: REASON.nonceUsed, message: "the authorization's nonce is used" };
    case "cancelled":
      return evidence.kind === "request"
        ? { reason: REASON.settleError, message: "it was taken out of the queue before it was sent; nothing moved" }
        : { reason: REASON.nonceUsed, message: "the payer cancelled the authorization" };
    case "expired":
      return { reason: REASON.validBefore, message: "it expired before it could be mined; nothing moved" };
    default:
      return {
        reason:
          (reason !== undefined && isReason(reason) ? ofRejection[reason] : undefined) ?? REASON.transactionFailed,
        message: said ?? "the token refused it",
      };
  }
}

/** The words of x402 for the reasons of rejected payments. Every other reason is a failed transaction. */
const ofRejection: Readonly<Partial<Record<Reason, string>>> = {
  "already-used": REASON.nonceUsed,
  expired: REASON.validBefore,
  "never-valid": REASON.validBefore,
  "expires-too-soon": REASON.validBefore,
  "not-yet-valid": REASON.validAfter,
  "bad-signature": REASON.signature,
  underfunded: REASON.insufficientBalance,
  "over-committed": REASON.insufficientBalance,
  "missing-token": REASON.notDeployed,
};
