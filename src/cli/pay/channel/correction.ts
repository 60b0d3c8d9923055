import { x402Client, x402HTTPClient } from "@x402/core/client";
import { isAddressEqual, recoverTypedDataAddress } from "viem";
import { z } from "zod";
import { bytes32, record, signature } from "../../../authorization/fields.ts";
import { voucherTypedData } from "../../../channels/index.ts";
import { uint128 } from "../../../channels/wire.ts";
import type { ChannelPayment } from "../channelPayment.ts";
import type { Answer } from "../request.ts";

/** What a seller says of a channel, proven by the buyer's own signature. Amounts in atomic units. */
export type Correction = {
  /** The total that it has charged. */
  readonly charged: bigint;
  /** The total that its newest voucher allows. */
  readonly ceiling: bigint;
};

const proof = record({
  channelState: record({ channelId: bytes32, chargedCumulativeAmount: uint128 }),
  voucherState: record({ signedMaxClaimable: uint128, signature }),
});

/**
 * Reads the seller's own total from its answer, if it refused the voucher because of a different total. Undefined
 * without a voucher of the channel's own payer as proof.
 */
export async function readCorrection(
  { headers, body }: Answer,
  { channelId, config, network }: Pick<ChannelPayment, "channelId" | "config" | "network">,
): Promise<Correction | undefined> {
  for (const extra of extrasIn(headers, body)) {
    const found = proof.safeParse(extra);
    if (!found.success) continue;
    const { channelState, voucherState } = found.data;
    const correction = { charged: channelState.chargedCumulativeAmount, ceiling: voucherState.signedMaxClaimable };
    if (channelState.channelId !== channelId || correction.charged > correction.ceiling) continue;
    const signer = await recoverTypedDataAddress({
      ...voucherTypedData(network.chainId, channelId, correction.ceiling),
      signature: voucherState.signature,
    }).catch(() => undefined);
    if (signer !== undefined && isAddressEqual(signer, config.payerAuthorizer)) return correction;
  }
  return undefined;
}

function extrasIn(headers: Headers, body: string): readonly unknown[] {
  try {
    const reader = new x402HTTPClient(new x402Client());
    const required = reader.getPaymentRequiredResponse((name) => headers.get(name), z.json().safeParse(body).data);
    return required.accepts.filter(({ scheme }) => scheme === "batch-settlement").map(({ extra }) => extra);
  } catch {
    return [];
  }
}
