import { isValidPaymentId, PAYMENT_IDENTIFIER } from "@x402/extensions/payment-identifier";
import { propertyOf, type Reading } from "./body.ts";

/**
 * Reads the id of the extension payment-identifier, undefined if there is none. A malformed id, or a missing one that is
 * required, is the caller's fault.
 */
export function readPaymentIdentifier(paymentPayload: unknown): Reading<string | undefined> {
  const extension = propertyOf(propertyOf(paymentPayload, "extensions"), PAYMENT_IDENTIFIER);
  if (extension === undefined || extension === null) return { ok: true, value: undefined };
  const info = propertyOf(extension, "info");
  const id = propertyOf(info, "id");
  const isRequired = propertyOf(info, "required") === true;
  if (id === undefined || id === null) {
    if (isRequired) return { ok: false, problem: `extensions.${PAYMENT_IDENTIFIER}: an id is required` };
    return { ok: true, value: undefined };
  }
  if (typeof id === "string" && isValidPaymentId(id)) return { ok: true, value: id };
  return { ok: false, problem: `extensions.${PAYMENT_IDENTIFIER}: the id is malformed` };
}
