import { type Address, getAddress, type Hex, numberToHex, pad, zeroAddress } from "viem";
import { type ChannelConfig, channelIdOf } from "../../src/channels/index.ts";
import type { ChannelRecord } from "../../src/journal/index.ts";
import { networks } from "../../src/networks.ts";

const { chainId, usdc } = networks.baseSepolia;

export const payee = addressOf(0xb0b);

/** A different channel for each number. Nobody opened it. */
export function configOf(seed: number, change: Partial<ChannelConfig> = {}): ChannelConfig {
  return {
    payer: addressOf(0xa000 + seed),
    payerAuthorizer: zeroAddress,
    receiver: payee,
    receiverAuthorizer: addressOf(0xa11ce),
    token: usdc.address,
    withdrawDelay: 900,
    salt: pad(numberToHex(seed)),
    ...change,
  };
}

/** Its record as the official server makes it, with `charged` atomic units and a voucher of the same amount. */
export function recordOf(seed: number, charged: bigint, change: Partial<ChannelRecord> = {}): ChannelRecord {
  const channelConfig = configOf(seed);
  return {
    channelId: idOf(seed),
    channelConfig,
    chargedCumulativeAmount: charged.toString(),
    signedMaxClaimable: charged.toString(),
    signature: `0x${"5a".repeat(65)}`,
    balance: "1000000",
    totalClaimed: "0",
    withdrawRequestedAt: 0,
    refundNonce: 0,
    onchainSyncedAt: 1,
    lastRequestTimestamp: 2,
    ...change,
  };
}

export function idOf(seed: number): Hex {
  const known = ids.get(seed) ?? channelIdOf(chainId, configOf(seed));
  ids.set(seed, known);
  return known;
}

/** A hash takes longer than an update. */
const ids = new Map<number, Hex>();

/** A record with a request in progress. */
export function reserved(record: ChannelRecord, pendingId: string, expiresAt = Date.now() + 60_000): ChannelRecord {
  return { ...record, pendingRequest: { pendingId, signedMaxClaimable: record.signedMaxClaimable, expiresAt } };
}

function addressOf(seed: number): Address {
  return getAddress(pad(numberToHex(seed), { size: 20 }));
}
