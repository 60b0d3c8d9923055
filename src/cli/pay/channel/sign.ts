import { x402Client } from "@x402/core/client";
import type { PaymentPayload, PaymentRequired } from "@x402/core/types";
import { BatchSettlementEvmScheme, type BatchSettlementEvmSchemeOptions } from "@x402/evm/batch-settlement/client";
import type { LocalAccount } from "viem";
import { type ChannelConfig, channelIdOf } from "../../../channels/index.ts";
import { channelConfig } from "../../../channels/wire.ts";
import { formatAmount } from "../../../money.ts";
import { CommandError, UsageError } from "../../exit/errors.ts";
import { EXIT } from "../../process/exitCodes.ts";
import { type Offer, signAsAsked } from "../offer.ts";
import type { Channel } from "./book.ts";

/** What may be deposited at once, in atomic units. */
export type DepositLimits = {
  /** How much to deposit if that is needed; undefined means what the seller asks for. */
  readonly deposit: bigint | undefined;
  readonly maxDeposit: bigint;
};

/** The official scheme for a buyer whose channel is known: it does not read the chain and keeps nothing. */
export function schemeOf(
  signer: LocalAccount,
  options: BatchSettlementEvmSchemeOptions = {},
): BatchSettlementEvmScheme {
  // The packages' types allow any record as an EIP-712 message; viem's do not.
  return new BatchSettlementEvmScheme(
    signer as unknown as ConstructorParameters<typeof BatchSettlementEvmScheme>[0],
    options,
  );
}

/**
 * The channel that an offer is paid through. The same terms and payer always give the same channel.
 * @throws CommandError if the offer lacks the terms of a channel.
 */
export function channelOf(signer: LocalAccount, { accepts, network }: Offer): Channel {
  try {
    const config: ChannelConfig = channelConfig.parse(schemeOf(signer).buildChannelConfig(accepts));
    return { config, channelId: channelIdOf(network.chainId, config), network };
  } catch (cause) {
    throw new CommandError("The server offers a channel without its terms; nothing was paid.", EXIT.failure, {
      details: cause instanceof Error ? cause.message : String(cause),
      hint: "Tell the seller: its offer needs extra.receiverAuthorizer and extra.withdrawDelay.",
      cause,
    });
  }
}

/**
 * Signs the next voucher of a channel, and a deposit if the channel holds too little for it.
 * @param known The total charged, and what the channel holds.
 * @param first The payment sent earlier for the same purchase. The seller has its deposit, which must be enough: it is
 *   sent again, and no second one is signed.
 * @throws UsageError if more would have to be deposited than is allowed.
 */
export async function signNext(
  signer: LocalAccount,
  { asked, offer }: { readonly asked: PaymentRequired; readonly offer: Offer },
  known: { readonly charged: bigint; readonly balance: bigint },
  limits: DepositLimits,
  first?: PaymentPayload,
): Promise<PaymentPayload> {
  if (first?.payload.type === "deposit") {
    const deposit = first.payload.deposit as { readonly amount: string };
    const covered = { ...known, balance: known.balance + BigInt(deposit.amount) };
    const next = await signNext(signer, { asked, offer }, covered, { deposit: undefined, maxDeposit: 0n });
    return { ...next, payload: { ...next.payload, type: "deposit", deposit } };
  }
  const context = { chargedCumulativeAmount: known.charged.toString(), balance: known.balance.toString() };
  const scheme = schemeOf(signer, {
    storage: { get: async () => context, set: async () => undefined, delete: async () => undefined },
    depositStrategy: ({ minimumDepositAmount, depositAmount }) => {
      return depositWithin(limits, { needed: BigInt(minimumDepositAmount), wanted: BigInt(depositAmount) });
    },
  });
  const client = new x402Client().setSpendControls(false).register(offer.network.caip2, scheme);
  return signAsAsked(client.createPaymentPayload({ ...asked, accepts: [offer.accepts] }));
}

function depositWithin({ deposit, maxDeposit }: DepositLimits, asked: { needed: bigint; wanted: bigint }): bigint {
  const { needed, wanted } = asked;
  if (needed > maxDeposit) {
    const [least, most] = [needed, maxDeposit].map((amount) => formatAmount(amount, 6));
    throw new UsageError(
      `The channel needs a deposit of ${least} USDC, above the ${most} of --max-deposit; nothing was paid.`,
      { hint: "Pass a larger --max-deposit; what is not spent comes back with --refund." },
    );
  }
  const amount = deposit ?? wanted;
  if (amount < needed) return needed;
  return amount > maxDeposit ? maxDeposit : amount;
}
