import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { type Address, getAddress, type Hex, maxUint256 } from "viem";
import { z } from "zod";
import { address, bytes32, record, signature, wholeNumber } from "../../authorization/fields.ts";
import type { ChannelConfig, VoucherClaim } from "../../channels/index.ts";
import { channelConfig, uint128, voucherClaim } from "../../channels/wire.ts";
import { CHANNEL_REASON } from "./reasons.ts";

// The requests of /verify and /settle in the scheme batch-settlement. Unknown fields are ignored. Everything that is signed or
// compared is parsed here once.

/** More rows than this do not fit into the calldata of one transaction. */
export const MAX_CLAIM_ROWS = 200;

const lowered = (input: unknown) =>
  typeof input === "string" && /^0x[0-9a-fA-F]{40}$/.test(input) ? getAddress(input.toLowerCase()) : input;
const anyCaseAddress = z.preprocess(lowered, address);
const salt = z
  .string()
  .regex(/^(0x[0-9a-fA-F]{1,64}|[0-9]{1,78})$/)
  .transform(BigInt)
  .refine((value) => value <= maxUint256);

const voucher = record({ channelId: bytes32, maxClaimableAmount: uint128, signature });
const erc3009 = record({ validAfter: wholeNumber, validBefore: wholeNumber, salt, signature });
const deposit = record({
  channelConfig,
  voucher,
  deposit: record({
    amount: uint128,
    authorization: record({ erc3009Authorization: erc3009.optional(), permit2Authorization: z.unknown() }),
  }),
});
const spoken = record({ channelConfig, voucher });
const claims = z.array(voucherClaim).max(MAX_CLAIM_ROWS);
const claim = record({ claims: claims.min(1), claimAuthorizerSignature: signature.optional() });
const settle = record({ receiver: anyCaseAddress, token: anyCaseAddress });
const refund = record({
  channelConfig,
  voucher,
  amount: uint128,
  refundNonce: wholeNumber,
  claims,
  refundAuthorizerSignature: signature.optional(),
  claimAuthorizerSignature: signature.optional(),
});

const requirements = record({
  scheme: z.string().max(256),
  network: z.string().max(256),
  asset: anyCaseAddress,
  payTo: anyCaseAddress,
});

/** A signed voucher with its channel's terms, as clients send it. */
export type SpokenVoucher = {
  readonly channelConfig: ChannelConfig;
  readonly voucher: { readonly channelId: Hex; readonly maxClaimableAmount: bigint; readonly signature: Hex };
};

/** The payer's EIP-3009 authorization for a deposit. Its nonce follows from channel and salt. */
export type DepositAuthorization = {
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  readonly salt: bigint;
  readonly signature: Hex;
};

export type DepositPayload = SpokenVoucher & {
  readonly type: "deposit";
  readonly amount: bigint;
  readonly authorization: DepositAuthorization;
};

export type ClaimPayload = {
  readonly type: "claim";
  readonly claims: readonly VoucherClaim[];
  /** The receiver authorizer's signature over exactly these rows; left out to let this facilitator sign. */
  readonly claimAuthorizerSignature: Hex | undefined;
};

export type SweepPayload = { readonly type: "settle"; readonly receiver: Address; readonly token: Address };

/** A refund that the resource server has completed. */
export type RefundPayload = SpokenVoucher & {
  readonly type: "refund";
  readonly amount: bigint;
  readonly refundNonce: bigint;
  readonly claims: readonly VoucherClaim[];
  readonly refundAuthorizerSignature: Hex | undefined;
  readonly claimAuthorizerSignature: Hex | undefined;
};

export type SettlePayload = DepositPayload | ClaimPayload | SweepPayload | RefundPayload;
/** A payer's payload, which the official verification can check. */
export type VerifyPayload = DepositPayload | (SpokenVoucher & { readonly type: "voucher" | "refund" });

/** The part of the requirements that this scheme uses. */
export type ChannelRequirements = { readonly network: string; readonly asset: Address; readonly payTo: Address };

export type ChannelReading<T> =
  | { readonly ok: true; readonly payload: T; readonly required: ChannelRequirements }
  | { readonly ok: false; readonly reason: string; readonly problem: string };

/** Reads a request to /verify. */
export function readForVerify(payment: PaymentPayload, asked: PaymentRequirements): ChannelReading<VerifyPayload> {
  const required = readRequirements(payment, asked);
  if (!required.ok) return required;
  const { type } = payment.payload;
  const raw: unknown = payment.payload;
  if (type === "deposit") return withRequirements(required.value, readDeposit(raw));
  if (type === "voucher" || type === "refund") {
    const reason = type === "voucher" ? CHANNEL_REASON.voucherPayload : CHANNEL_REASON.refundPayload;
    return withRequirements(
      required.value,
      read(spoken, raw, reason, (value) => ({ type, ...value })),
    );
  }
  return { ok: false, reason: CHANNEL_REASON.payloadType, problem: "type: is not deposit, voucher or refund" };
}

/** Reads a request to /settle. */
export function readForSettle(payment: PaymentPayload, asked: PaymentRequirements): ChannelReading<SettlePayload> {
  const required = readRequirements(payment, asked);
  if (!required.ok) return required;
  const raw: unknown = payment.payload;
  switch (payment.payload.type) {
    case "deposit":
      return withRequirements(required.value, readDeposit(raw));
    case "claim":
      return withRequirements(
        required.value,
        read(claim, raw, CHANNEL_REASON.claimPayload, (value) => ({
          type: "claim" as const,
          claims: value.claims,
          claimAuthorizerSignature: value.claimAuthorizerSignature,
        })),
      );
    case "settle":
      return withRequirements(
        required.value,
        read(settle, raw, CHANNEL_REASON.settlePayload, (value) => ({ type: "settle" as const, ...value })),
      );
    case "refund":
      return withRequirements(
        required.value,
        read(refund, raw, CHANNEL_REASON.refundPayload, (value) => ({
          ...value,
          type: "refund" as const,
          refundAuthorizerSignature: value.refundAuthorizerSignature,
          claimAuthorizerSignature: value.claimAuthorizerSignature,
        })),
      );
    default:
      return {
        ok: false,
        reason: CHANNEL_REASON.payloadType,
        problem: "type: is not deposit, claim, settle or refund",
      };
  }
}

type Part<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string; readonly problem: string };

function readRequirements(payment: PaymentPayload, asked: PaymentRequirements): Part<ChannelRequirements> {
  const parsed = requirements.safeParse(asked);
  if (!parsed.success) {
    return { ok: false, reason: "invalid_payment_requirements", problem: explain(parsed.error) };
  }
  const { scheme, network, asset, payTo } = parsed.data;
  const accepted: Partial<PaymentRequirements> | undefined = payment.accepted;
  if (scheme !== "batch-settlement" || accepted?.scheme !== scheme) {
    return { ok: false, reason: CHANNEL_REASON.scheme, problem: "payload and requirements name another scheme" };
  }
  if (accepted.network !== network) {
    return { ok: false, reason: CHANNEL_REASON.networkMismatch, problem: "payload and requirements name two networks" };
  }
  return { ok: true, value: { network, asset, payTo } };
}

function readDeposit(raw: unknown): Part<DepositPayload> {
  const part = read(deposit, raw, CHANNEL_REASON.depositPayload, (value) => value);
  if (!part.ok) return part;
  const { channelConfig: config, voucher: signed, deposit: money } = part.value;
  const authorization = money.authorization.erc3009Authorization;
  if (authorization === undefined) {
    const problem = "only deposits by EIP-3009 authorization are accepted here";
    return { ok: false, reason: CHANNEL_REASON.erc3009Required, problem };
  }
  return {
    ok: true,
    value: { type: "deposit", channelConfig: config, voucher: signed, amount: money.amount, authorization },
  };
}

function read<Shape, T>(schema: z.ZodType<Shape>, raw: unknown, reason: string, form: (value: Shape) => T): Part<T> {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return { ok: true, value: form(parsed.data) };
  return { ok: false, reason, problem: explain(parsed.error) };
}

function withRequirements<T>(required: ChannelRequirements, part: Part<T>): ChannelReading<T> {
  return part.ok ? { ok: true, payload: part.value, required } : part;
}

/** The first problem, with its path. Values are never repeated, because they may be signatures. */
function explain({ issues }: z.ZodError): string {
  const path = issues[0]?.path.map(String).join(".") ?? "";
  return path === "" ? "the payload is not an object" : `${path}: is missing or malformed`;
}
