import type { SignedAuthorization } from "../authorization/types.ts";
import { fitsCompact, type RouterItem } from "../router/index.ts";
import { isEcdsaSignature } from "../router/wire.ts";

/**
 * The form in which an authorization is sent: compact if its terms fit and its payer has no code, wide otherwise. A
 * payer with code always gets the wide form, because a wide item has a gas allowance of its own.
 */
export function formOf(authorization: SignedAuthorization, payerHasCode: boolean | undefined): RouterItem["form"] {
  return payerHasCode !== true && fitsCompact(authorization) ? "compact" : "wide";
}

/** The token's overload for a wide item: `(v, r, s)` for the signature of an account without code. */
export function overloadOf(authorization: SignedAuthorization, payerHasCode: boolean | undefined): "vrs" | "bytes" {
  return payerHasCode !== true && isEcdsaSignature(authorization.signature) ? "vrs" : "bytes";
}

/**
 * Whether the payer's code decides what an authorization costs. If it is not known whether the payer has code, the
 * signature tells: for one that no account without code can make, the token will ask the payer's code.
 */
export function isCodePayer(authorization: SignedAuthorization, payerHasCode: boolean | undefined): boolean {
  return payerHasCode ?? !isEcdsaSignature(authorization.signature);
}

/** An authorization as an item for the router's encoder, with the allowance that applies to it. */
export function toRouterItem(
  authorization: SignedAuthorization,
  payerHasCode: boolean | undefined,
  allowances: { readonly gasAllowance: bigint; readonly codePayerAllowance: bigint },
): RouterItem {
  if (formOf(authorization, payerHasCode) === "compact") return { form: "compact", authorization };
  return {
    form: "wide",
    authorization,
    gasAllowance: isCodePayer(authorization, payerHasCode) ? allowances.codePayerAllowance : allowances.gasAllowance,
    overload: overloadOf(authorization, payerHasCode),
  };
}
