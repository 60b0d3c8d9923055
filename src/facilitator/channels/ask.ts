import { createHash } from "node:crypto";
import type { Address } from "viem";
import type { Ask } from "../admission/types.ts";
import type { ChannelRequirements, SettlePayload, VerifyPayload } from "./wire.ts";

/** A request to /settle, as admission sees it. */
export function askOfSettle(payload: SettlePayload, required: ChannelRequirements): Ask {
  const common = { network: required.network, amount: undefined, fingerprint: fingerprintOf(payload, required) };
  switch (payload.type) {
    case "deposit":
      return { ...common, ...depositPart(payload), tokens: [required.asset] };
    case "settle":
      return { ...common, kind: "sweep", tokens: [payload.token], payer: undefined };
    case "claim":
      return { ...common, kind: "claim", tokens: tokensOf(payload), payer: undefined, rows: payload.claims.length };
    case "refund": {
      const tokens = [...new Set([payload.channelConfig.token, ...tokensOf(payload)])];
      const { payer } = payload.channelConfig;
      return { ...common, kind: "refund", tokens, payer, rows: payload.claims.length };
    }
  }
}

/** A request to /verify, as admission sees it. For a voucher, only network and token matter. */
export function askOfVerify(payload: VerifyPayload, required: ChannelRequirements): Ask {
  const { network, asset } = required;
  const common = { network, tokens: [asset], fingerprint: "" };
  if (payload.type === "deposit") return { ...common, ...depositPart(payload) };
  return { ...common, kind: "refund", amount: undefined, payer: payload.channelConfig.payer };
}

function depositPart(payload: SettlePayload & { readonly type: "deposit" }) {
  const { amount, authorization, channelConfig } = payload;
  return { kind: "deposit" as const, amount, payer: channelConfig.payer, deadlineSeconds: authorization.validBefore };
}

function tokensOf({ claims }: SettlePayload & { readonly type: "claim" | "refund" }): readonly Address[] {
  return [...new Set(claims.map(({ voucher }) => voucher.channel.token))];
}

/** A hash of everything that identifies a request. Both parts were parsed, so their fields are in a fixed order. */
function fingerprintOf(payload: SettlePayload, { network, asset, payTo }: ChannelRequirements): string {
  const text = JSON.stringify(["batch-settlement", network, asset, payTo, payload], (_, value: unknown) => {
    return typeof value === "bigint" ? value.toString() : value;
  });
  return createHash("sha256").update(text).digest("hex");
}
