import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { createBatchSettlementEIP3009DepositPayload, signVoucher } from "@x402/evm/batch-settlement/client";
import type { Address, LocalAccount } from "viem";
import {
  type ChannelConfig,
  channelIdOf,
  claimBatchTypedData,
  refundTypedData,
  type VoucherClaim,
  voucherTypedData,
} from "../../src/channels/index.ts";
import { networks } from "../../src/networks.ts";
import { fundedAccount } from "./usdc.ts";

const { chainId, caip2, usdc } = networks.baseSepolia;

/** The body of /verify and /settle. */
export type ChannelBody = {
  readonly x402Version: 2;
  readonly paymentPayload: PaymentPayload;
  readonly paymentRequirements: PaymentRequirements;
};

/** Signs claims and refunds in these tests. */
export const authorizer = fundedAccount(17);

/** The terms of a channel on the local chain; `changes` for another one. */
export function channelOf(payer: Address, receiver: Address, changes: Partial<ChannelConfig> = {}): ChannelConfig {
  return {
    payer,
    payerAuthorizer: payer,
    receiver,
    receiverAuthorizer: authorizer.address,
    token: usdc.address,
    withdrawDelay: 900,
    salt: `0x${"00".repeat(32)}`,
    ...changes,
  };
}

export const idOf = (config: ChannelConfig) => channelIdOf(chainId, config);

/** The requirements of a resource server for a channel with these terms. */
export function requirementsOf(config: ChannelConfig, changes: Partial<PaymentRequirements> = {}): PaymentRequirements {
  const { receiverAuthorizer, withdrawDelay, receiver, token } = config;
  return {
    scheme: "batch-settlement",
    network: caip2,
    asset: token,
    amount: "1000",
    payTo: receiver,
    maxTimeoutSeconds: 300,
    extra: { name: usdc.name, version: usdc.version, receiverAuthorizer, withdrawDelay },
    ...changes,
  };
}

export function bodyOf(config: ChannelConfig, payload: Record<string, unknown>): ChannelBody {
  const requirements = requirementsOf(config);
  return {
    x402Version: 2,
    paymentPayload: { x402Version: 2, accepted: requirements, payload },
    paymentRequirements: requirements,
  };
}

/** A deposit with a voucher of `ceiling`, signed by the payer as the official client does. */
export async function depositBody(
  payer: LocalAccount,
  config: ChannelConfig,
  amount: bigint,
  ceiling = 1_000n,
): Promise<ChannelBody> {
  const { payload } = await createBatchSettlementEIP3009DepositPayload(
    // The packages' types allow any record as an EIP-712 message.
    payer as Parameters<typeof createBatchSettlementEIP3009DepositPayload>[0],
    2,
    requirementsOf(config),
    config,
    amount.toString(),
    ceiling.toString(),
  );
  return bodyOf(config, payload as Record<string, unknown>);
}

export async function voucherBody(payer: LocalAccount, config: ChannelConfig, ceiling: bigint): Promise<ChannelBody> {
  const signer = payer as Parameters<typeof signVoucher>[0];
  const voucher = await signVoucher(signer, idOf(config), ceiling.toString(), caip2);
  return bodyOf(config, { type: "voucher", channelConfig: config, voucher });
}

/** One row that claims `totalClaimed` under a voucher of `ceiling`. */
export async function rowOf(
  signer: LocalAccount,
  config: ChannelConfig,
  totalClaimed: bigint,
  ceiling = totalClaimed,
): Promise<VoucherClaim> {
  return {
    voucher: { channel: config, maxClaimableAmount: ceiling },
    signature: await signer.signTypedData(voucherTypedData(chainId, idOf(config), ceiling)),
    totalClaimed,
  };
}

/** A claim, signed by the authorizer unless that is left to the facilitator. */
export async function claimBody(rows: readonly VoucherClaim[], signed: boolean): Promise<ChannelBody> {
  const signature = signed ? await authorizer.signTypedData(claimBatchTypedData(chainId, rows)) : undefined;
  const payload = {
    type: "claim",
    claims: rows.map(serialiseVoucherClaim),
    ...(signature === undefined ? {} : { claimAuthorizerSignature: signature }),
  };
  return bodyOf(rows[0]!.voucher.channel, payload);
}

export function sweepBody(config: ChannelConfig): ChannelBody {
  return bodyOf(config, { type: "settle", receiver: config.receiver, token: config.token });
}

/** A refund as a resource server completes it, after a claim of `row`. */
export async function refundBody(
  config: ChannelConfig,
  terms: { readonly amount: bigint; readonly nonce?: bigint; readonly row: VoucherClaim; readonly signed?: boolean },
): Promise<ChannelBody> {
  const { amount, nonce = 0n, row, signed = true } = terms;
  const channelId = idOf(config);
  const signatures = signed
    ? {
        refundAuthorizerSignature: await authorizer.signTypedData(refundTypedData(chainId, channelId, nonce, amount)),
        claimAuthorizerSignature: await authorizer.signTypedData(claimBatchTypedData(chainId, [row])),
      }
    : {};
  const { maxClaimableAmount } = row.voucher;
  return bodyOf(config, {
    type: "refund",
    channelConfig: config,
    voucher: { channelId, maxClaimableAmount: maxClaimableAmount.toString(), signature: row.signature },
    amount: amount.toString(),
    refundNonce: nonce.toString(),
    claims: [serialiseVoucherClaim(row)],
    ...signatures,
  });
}

/** The inverse of `voucherClaim`: a row of a claim in JSON, as in the official packages' claim payloads. */
export function serialiseVoucherClaim({ voucher, signature, totalClaimed }: VoucherClaim) {
  const { channel, maxClaimableAmount } = voucher;
  return {
    voucher: { channel, maxClaimableAmount: maxClaimableAmount.toString() },
    signature,
    totalClaimed: totalClaimed.toString(),
  };
}
