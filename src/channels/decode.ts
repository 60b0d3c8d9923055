import { type Address, decodeFunctionData, type Hex, isAddressEqual } from "viem";
import { batchSettlementAbi as abi } from "./abi.ts";
import { BATCH_SETTLEMENT_ADDRESS } from "./addresses.ts";
import { channelIdOf } from "./typedData.ts";
import type { ChannelConfig } from "./types.ts";

/**
 * A channel that a call is about. `totalClaimed` is the new claimed total; undefined if the call does not claim the
 * channel.
 */
export type CallChannel = {
  readonly channelId: Hex;
  readonly payer: Address;
  readonly receiver: Address;
  readonly token: Address;
  readonly totalClaimed: bigint | undefined;
};

/** What a call of the channel contract does. A refund may claim first. */
export type DecodedChannelCall = {
  readonly kind: "deposit" | "claim" | "sweep" | "refund";
  readonly channels: readonly CallChannel[];
  /** Who is paid by a sweep. */
  readonly account: { readonly receiver: Address; readonly token: Address } | undefined;
  /** What a deposit adds, or what a refund asks for, in atomic units. The contract gives back no more than is left. */
  readonly amount: bigint | undefined;
};

/** Reads a call in the form in which deposits, claims, sweeps and refunds are sent; undefined if it is another call. */
export function decodeChannelCall(
  chainId: number,
  { to, data }: { readonly to: Address; readonly data: Hex },
): DecodedChannelCall | undefined {
  if (!isAddressEqual(to, BATCH_SETTLEMENT_ADDRESS)) return undefined;
  try {
    return decode(chainId, data);
  } catch {
    return undefined;
  }
}

function decode(chainId: number, data: Hex): DecodedChannelCall | undefined {
  const channelOf = (config: ChannelConfig, totalClaimed?: bigint): CallChannel => {
    const { payer, receiver, token } = config;
    return { channelId: channelIdOf(chainId, config), payer, receiver, token, totalClaimed };
  };
  const call = decodeFunctionData({ abi, data });
  switch (call.functionName) {
    case "deposit": {
      const [config, amount] = call.args;
      return { kind: "deposit", channels: [channelOf(config)], account: undefined, amount };
    }
    case "claim":
    case "claimWithSignature": {
      const [rows] = call.args;
      const channels = rows.map(({ voucher, totalClaimed }) => channelOf(voucher.channel, totalClaimed));
      return { kind: "claim", channels, account: undefined, amount: undefined };
    }
    case "settle": {
      const [receiver, token] = call.args;
      return { kind: "sweep", channels: [], account: { receiver, token }, amount: undefined };
    }
    case "refund":
    case "refundWithSignature": {
      const [config, amount] = call.args;
      return { kind: "refund", channels: [channelOf(config)], account: undefined, amount };
    }
    case "multicall": {
      const parts = call.args[0].map((part) => decode(chainId, part));
      const refund = parts.find((part) => part?.kind === "refund");
      const claimed = parts.flatMap((part) => (part?.kind === "claim" ? part.channels : []));
      if (refund === undefined) return undefined;
      const others = refund.channels.filter((one) => !claimed.some(({ channelId }) => channelId === one.channelId));
      return { ...refund, channels: [...claimed, ...others] };
    }
    default:
      return undefined;
  }
}
