import type { SignedAuthorization } from "./types.ts";

/** One line of JSON (without the line end) that `parseAuthorization` reads back: decimal strings, CAIP-2 network. */
export function serialiseAuthorization(signed: SignedAuthorization): string {
  return JSON.stringify({
    network: `eip155:${signed.chainId}`,
    token: signed.token,
    from: signed.from,
    to: signed.to,
    value: signed.value.toString(),
    validAfter: signed.validAfter.toString(),
    validBefore: signed.validBefore.toString(),
    nonce: signed.nonce,
    signature: signed.signature,
  });
}

/** The `payload` of an x402 payment by the scheme `exact`. */
export function x402Payload(signed: Omit<SignedAuthorization, "chainId" | "token">) {
  const { signature, from, to, value, validAfter, validBefore, nonce } = signed;
  return {
    signature,
    authorization: {
      from,
      to,
      value: value.toString(),
      validAfter: validAfter.toString(),
      validBefore: validBefore.toString(),
      nonce,
    },
  };
}
