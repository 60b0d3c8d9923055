import { x402Client, x402HTTPClient } from "@x402/core/client";
import type { PaymentPayload } from "@x402/core/types";
import type { Hex } from "viem";
import { z } from "zod";
import { address, bytes32, record, signature, text, wholeNumber } from "../../authorization/fields.ts";
import { type ChannelConfig, channelIdOf, depositNonce } from "../../channels/index.ts";
import { channelConfig, uint128 } from "../../channels/wire.ts";
import { findNetwork, type Network } from "../../networks.ts";

/** A signed deposit. The amount is in atomic units, `validBefore` in Unix seconds. */
export type Deposit = { readonly amount: bigint; readonly nonce: Hex; readonly validBefore: bigint };

/** A signed payment through a channel. Amounts in atomic units. */
export type ChannelPayment = {
  readonly channelId: Hex;
  readonly config: ChannelConfig;
  readonly network: Network;
  /** The most that it pays. */
  readonly price: bigint;
  /** The total that its voucher allows to be claimed from the channel. */
  readonly ceiling: bigint;
  readonly deposit: Deposit | undefined;
  /** The same voucher, sent without the deposit. */
  readonly voucherHeaders: Readonly<Record<string, string>>;
};

const wire = record({
  accepted: record({ scheme: z.literal("batch-settlement"), network: text, amount: uint128, asset: address }),
  payload: record({
    type: z.enum(["deposit", "voucher"]),
    channelConfig,
    voucher: record({ channelId: bytes32, maxClaimableAmount: uint128, signature }),
    deposit: record({
      amount: uint128,
      authorization: record({ erc3009Authorization: record({ validBefore: wholeNumber, salt: bytes32 }) }),
    }).optional(),
  }),
});

/** The total charged in the channel when the voucher was signed. */
export function baseOf({ ceiling, price }: ChannelPayment): bigint {
  return ceiling - price;
}

/** Whether this is the JSON of a payment through a channel. */
export function isChannelPayment(input: unknown): boolean {
  const { accepted } = (input ?? {}) as { accepted?: { scheme?: unknown } };
  return accepted?.scheme === "batch-settlement";
}

/**
 * Reads a payment that this program signed.
 * @throws Error if it is not one.
 */
export function readChannelPayment(input: unknown): ChannelPayment {
  const { accepted, payload } = wire.parse(input);
  const { deposit, voucher, channelConfig: config } = payload;
  const network = findNetwork(accepted.network);
  const { channelId } = voucher;
  const isWhole = (deposit !== undefined) === (payload.type === "deposit");
  if (!isWhole || channelIdOf(network.chainId, config) !== channelId || config.token !== accepted.asset) {
    throw new Error("It contradicts itself.");
  }
  return {
    channelId,
    config,
    network,
    price: accepted.amount,
    ceiling: voucher.maxClaimableAmount,
    deposit: deposit === undefined ? undefined : depositOf(channelId, deposit),
    voucherHeaders: headersOf(withoutDeposit(input as PaymentPayload)),
  };
}

function depositOf(
  channelId: Hex,
  { amount, authorization }: NonNullable<z.output<typeof wire>["payload"]["deposit"]>,
) {
  const { salt, validBefore } = authorization.erc3009Authorization;
  return { amount, nonce: depositNonce(channelId, BigInt(salt)), validBefore };
}

function withoutDeposit(payment: PaymentPayload): PaymentPayload {
  const { channelConfig: config, voucher } = payment.payload;
  return { ...payment, payload: { type: "voucher", channelConfig: config, voucher } };
}

/** The headers that carry a payment. */
export function headersOf(payment: PaymentPayload): Readonly<Record<string, string>> {
  return new x402HTTPClient(new x402Client()).encodePaymentSignatureHeader(payment);
}
