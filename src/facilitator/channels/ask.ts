import type { Address } from "viem";
import type { Ask } from "../admission/types.ts";
import type { ChannelRequirements, SettlePayload, VerifyPayload } from "./wire.ts";

/** What /settle is asked to do, as admission sees it. */
export function askOfSettle(payload: SettlePayload, { network, asset }: ChannelRequirements): Ask {
  const common = { network, amount: undefined, fingerprint: "" };
  switch (payload.type) {
    case "deposit":
      return { ...common, kind: "deposit", tokens: [asset], payer: payload.channelConfig.payer };
    case "settle":
      return { ...common, kind: "sweep", tokens: [payload.token], payer: undefined };
    case "claim":
      return { ...common, kind: "claim", tokens: tokensOf(payload), payer: undefined };
    case "refund": {
      const tokens = [...new Set([payload.channelConfig.token, ...tokensOf(payload)])];
      return { ...common, kind: "refund", tokens, payer: payload.channelConfig.payer };
    }
  }
}

/** What /verify is asked about, as admission sees it. */
export function askOfVerify(payload: VerifyPayload, { network, asset }: ChannelRequirements): Ask {
  const amount = payload.type === "deposit" ? payload.amount : undefined;
  return { kind: "deposit", network, tokens: [asset], amount, payer: payload.channelConfig.payer, fingerprint: "" };
}

function tokensOf({ claims }: SettlePayload & { readonly type: "claim" | "refund" }): readonly Address[] {
  return [...new Set(claims.map(({ voucher }) => voucher.channel.token))];
}
