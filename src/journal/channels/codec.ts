import { z } from "zod";
import { address, count, decode, encode, hash, hex, integer, proof } from "../database/codec.ts";
import type { ChannelFault, ChannelRecord, ChannelWithdrawal } from "../ports/channels.ts";
import type { KeeperCall } from "../ports/keeperCalls.ts";

const amount = z.string().regex(/^[0-9]+$/);

// Fields that a later version of the official package may add are kept.
const recordCodec = z.looseObject({
  channelId: hash,
  channelConfig: z.looseObject({
    payer: address,
    payerAuthorizer: address,
    receiver: address,
    receiverAuthorizer: address,
    token: address,
    withdrawDelay: count,
    salt: hash,
  }),
  chargedCumulativeAmount: amount,
  signedMaxClaimable: amount,
  signature: hex,
  balance: amount,
  totalClaimed: amount,
  withdrawRequestedAt: count,
  refundNonce: count,
  onchainSyncedAt: count.optional(),
  lastRequestTimestamp: count,
  pendingRequest: z.object({ pendingId: z.string(), signedMaxClaimable: amount, expiresAt: count }).optional(),
});

const withdrawalCodec = z.object({ amount: integer, initiatedAt: count, finalizeAfter: count });
const faultCodec = z.object({ reason: z.string(), charged: integer, atMs: count, gas: integer.optional() });
const callCodec = z.object({
  to: address,
  data: hex,
  gas: integer,
  proof,
  deadlineSeconds: integer,
  claims: z.array(z.object({ channelId: hash, totalClaimed: integer })),
  sweeps: z.array(z.object({ receiver: address, token: address })),
  refunds: z.array(hash).optional(),
});

type CallTerms = Pick<
  KeeperCall,
  "to" | "data" | "gas" | "proof" | "deadlineSeconds" | "claims" | "sweeps" | "refunds"
>;

export const encodeRecord = (value: ChannelRecord): string => encode<object>(recordCodec, value, "channel");
// The decoded type may have optional fields that are undefined, which this project's settings forbid.
export const decodeRecord = (text: string): ChannelRecord => decode(recordCodec, text, "channel") as ChannelRecord;
export const encodeWithdrawal = (value: ChannelWithdrawal): string => encode(withdrawalCodec, value, "withdrawal");
export const decodeWithdrawal = (text: string): ChannelWithdrawal => decode(withdrawalCodec, text, "withdrawal");
export const encodeFault = (value: ChannelFault): string => encode(faultCodec, value, "fault");
export const decodeFault = (text: string): ChannelFault => decode(faultCodec, text, "fault");
export const encodeCall = (call: CallTerms): string => encode<object>(callCodec, call, "call");
export const decodeCall = (text: string): CallTerms => decode(callCodec, text, "call");
