import { serialiseAuthorization, x402Payload } from "../../authorization/serialise.ts";
import type { SignedAuthorization } from "../../authorization/types.ts";
import type { TokenDomain } from "../../networks.ts";

/** The formats in which `tributary sign` writes a payment. */
export const paymentFormats = ["authorization", "x402-v1", "x402-v2", "header"] as const;
export type PaymentFormat = (typeof paymentFormats)[number];

export type PaymentContext = {
  /** The network's name in x402 v1, which that version needs. */
  readonly v1Network: string | undefined;
  readonly domain: TokenDomain;
};

/** One line for `signed`: a bare authorization, an x402 payment payload, or the payload as the value of its header. */
export function formatPayment(signed: SignedAuthorization, format: PaymentFormat, context: PaymentContext): string {
  switch (format) {
    case "authorization":
      return serialiseAuthorization(signed);
    case "x402-v1":
      return JSON.stringify(x402v1(signed, context));
    case "x402-v2":
      return JSON.stringify(x402v2(signed, context));
    case "header":
      return Buffer.from(JSON.stringify(x402v2(signed, context))).toString("base64");
  }
}

/** x402 specification v1, "PaymentPayload" with the scheme `exact` on EVM chains. */
function x402v1(signed: SignedAuthorization, { v1Network }: PaymentContext) {
  return { x402Version: 1, scheme: "exact", network: v1Network, payload: x402Payload(signed) };
}

/** x402 specification v2, "PaymentPayload" with the scheme `exact` on EVM chains. */
function x402v2(signed: SignedAuthorization, { domain }: PaymentContext) {
  return {
    x402Version: 2,
    accepted: {
      scheme: "exact",
      network: `eip155:${signed.chainId}`,
      amount: signed.value.toString(),
      asset: signed.token,
      payTo: signed.to,
      maxTimeoutSeconds: 300,
      extra: { name: domain.name, version: domain.version },
    },
    payload: x402Payload(signed),
  };
}
