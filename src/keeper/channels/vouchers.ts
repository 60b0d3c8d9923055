import { randomUUID } from "node:crypto";
import type { PaymentRequirements } from "@x402/core/types";
import type { BatchSettlementEvmScheme, Channel } from "@x402/evm/batch-settlement/server";
import { type Hex, isHex, size, zeroAddress } from "viem";
import { recoverSigner } from "../../authorization/recover.ts";
import { findSignatureDefect } from "../../authorization/signature.ts";
import {
  type ChannelConfig,
  channelIdOf,
  MAX_WITHDRAW_DELAY_SECONDS,
  MIN_WITHDRAW_DELAY_SECONDS,
} from "../../channels/index.ts";
import { hashVoucher } from "../../channels/typedData.ts";

type BeforeVerify = NonNullable<BatchSettlementEvmScheme["schemeHooks"]["onBeforeVerify"]>;
type Context = Parameters<BeforeVerify>[0];
/** A payment by voucher. Its fields are not checked yet. */
type VoucherPayload = {
  readonly channelConfig: ChannelConfig;
  readonly voucher: { readonly channelId: Hex; readonly maxClaimableAmount: string; readonly signature: Hex };
};

/** How many channels are remembered with their terms. */
const MAX_CHANNELS = 10_000;

/**
 * Lets an official server scheme accept vouchers of channels that it knows in a quarter of the time. libsecp256k1
 * checks the signature, and the terms of a channel are hashed once, not three times for each request. Call it before
 * the scheme is registered. It returns the same scheme.
 *
 * A voucher that is accepted here passes every check of the official package (x402 `batch-settlement`, voucher verified
 * by the server), and its signature is in the only form that the contract takes. All others, such as vouchers of wallet
 * contracts, are left to that package: it decides, and says why.
 */
export function quickenVouchers(scheme: BatchSettlementEvmScheme): BatchSettlementEvmScheme {
  const official = scheme.schemeHooks.onBeforeVerify;
  const remembered = new Map<string, string>();

  /** Whether these are the terms of the channel with this id. */
  function isBound(chainId: number, channelId: string, config: ChannelConfig): boolean {
    const { payer, payerAuthorizer, receiver, receiverAuthorizer, token, withdrawDelay, salt } = config;
    const key = `${chainId} ${channelId}`;
    const terms = JSON.stringify([payer, payerAuthorizer, receiver, receiverAuthorizer, token, withdrawDelay, salt]);
    if (remembered.get(key) === terms) return true;
    if (channelIdOf(chainId, config).toLowerCase() !== channelId) return false;
    if (remembered.size >= MAX_CHANNELS) remembered.clear();
    remembered.set(key, terms);
    return true;
  }

  async function accept({ paymentPayload, requirements }: Context): ReturnType<BeforeVerify> {
    const payload = voucherPayload(paymentPayload.payload);
    const chainId = chainOf(requirements.network);
    if (payload === undefined || chainId === undefined) return;
    const { channelConfig, voucher } = payload;
    const ceiling = BigInt(voucher.maxClaimableAmount);
    const channel = await scheme.getStorage().get(voucher.channelId);
    if (channel === undefined || !covers(channel, ceiling, BigInt(requirements.amount))) return;
    const { onchainSyncedAt } = channel;
    if (onchainSyncedAt === undefined || Date.now() - onchainSyncedAt > scheme.getOnchainStateTtlMs()) return;
    const channelId = voucher.channelId.toLowerCase() as Hex;
    if (channel.channelId.toLowerCase() !== channelId || !isBound(chainId, channelId, channelConfig)) return;
    if (!isAsked(channelConfig, requirements) || channelConfig.payerAuthorizer === zeroAddress) return;
    const digest = hashVoucher(chainId, channelId, ceiling);
    const signer = await recoverSigner(digest, voucher.signature);
    if (signer !== channelConfig.payerAuthorizer.toLowerCase()) return;

    const { balance, totalClaimed, withdrawRequestedAt, refundNonce } = channel;
    scheme.mergeRequestContext(paymentPayload, {
      channelId: voucher.channelId,
      pendingId: randomUUID(),
      channelSnapshot: channel,
      localVerify: true,
    });
    const state = { balance, totalClaimed, withdrawRequestedAt, refundNonce: refundNonce.toString() };
    const extra = { channelId: voucher.channelId, ...state };
    return { skip: true, result: { isValid: true, payer: channelConfig.payer, extra } };
  }

  scheme.schemeHooks.onBeforeVerify = async (context) => {
    // A payment that cannot be read is not accepted here: the official package says why.
    const accepted = await accept(context).catch(() => undefined);
    return accepted ?? official?.(context);
  };
  return scheme;
}

function voucherPayload(payload: unknown): VoucherPayload | undefined {
  const { type, channelConfig, voucher } = (payload ?? {}) as Partial<VoucherPayload> & { readonly type?: unknown };
  if (type !== "voucher" || typeof channelConfig !== "object" || typeof voucher !== "object") return undefined;
  const { maxClaimableAmount, signature } = voucher;
  if (typeof maxClaimableAmount !== "string" || !/^[0-9]{1,39}$/.test(maxClaimableAmount)) return undefined;
  if (!isHex(signature) || size(signature) !== 65 || findSignatureDefect(signature) !== undefined) return undefined;
  return { channelConfig, voucher };
}

/** The chain of a CAIP-2 name. */
function chainOf(network: string): number | undefined {
  const digits = /^eip155:([1-9][0-9]{0,14})$/.exec(network)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/**
 * Whether a voucher up to `ceiling` is the channel's next one, for a request that costs `price`, and the channel holds
 * enough.
 */
function covers(channel: Channel, ceiling: bigint, price: bigint): boolean {
  const isNext = ceiling === BigInt(channel.chargedCumulativeAmount) + price;
  return isNext && ceiling <= BigInt(channel.balance) && ceiling > BigInt(channel.totalClaimed);
}

/** Whether a channel's terms are what the server asks for. */
function isAsked(config: ChannelConfig, { payTo, asset, extra }: Context["requirements"]): boolean {
  const { receiverAuthorizer, withdrawDelay } = extra as PaymentRequirements["extra"];
  return (
    isSame(config.receiver, payTo) &&
    isSame(config.receiverAuthorizer, receiverAuthorizer) &&
    config.receiverAuthorizer !== zeroAddress &&
    isSame(config.token, asset) &&
    (withdrawDelay === undefined || config.withdrawDelay === Number(withdrawDelay)) &&
    config.withdrawDelay >= MIN_WITHDRAW_DELAY_SECONDS &&
    config.withdrawDelay <= MAX_WITHDRAW_DELAY_SECONDS
  );
}

function isSame(address: string, other: unknown): boolean {
  return typeof other === "string" && address.toLowerCase() === other.toLowerCase();
}
