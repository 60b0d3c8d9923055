/** What verification says, in the words of x402 v2. */
export type Verdict =
  | { readonly isValid: true }
  | { readonly isValid: false; readonly reason: string; readonly message: string | undefined };

/** The verdict on a payment that is not good. */
export function no(reason: string, message?: string): Verdict & { isValid: false } {
  return { isValid: false, reason, message };
}
