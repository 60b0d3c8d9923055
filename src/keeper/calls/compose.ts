import { randomUUID } from "node:crypto";
import { type Address, encodeFunctionData, getAddress, type Hex } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import { type ChainChannel, readChannels } from "../../chain/facts/channels.ts";
import { hasCode, readCodes } from "../../chain/facts/facts.ts";
import { readWorth } from "../../chain/fees/worth.ts";
import { findBadRows } from "../../chain/sending/claims.ts";
import { preflightCall } from "../../chain/sending/preflightCall.ts";
import { batchSettlementAbi as abi } from "../../channels/abi.ts";
import { type ChannelCall, claimCall, isSelfSigned, sweepCall, transactionGasOf } from "../../channels/calls.ts";
import { CLAIM_GAS, CLAIM_ROW_GAS } from "../../channels/gas.ts";
import {
  BATCH_SETTLEMENT_ADDRESS,
  type ChannelConfig,
  claimBatchTypedData,
  type VoucherClaim,
} from "../../channels/index.ts";
import { claimableSignature } from "../../channels/signature.ts";
import { budgetGas } from "../../gas/budget.ts";
import type { ChannelRow, KeeperCall } from "../../journal/index.ts";
import { chunks } from "../../lists.ts";
import { chargedOf } from "../channels/rows.ts";
import type { Authority } from "./authority.ts";

export type ComposePort = {
  readonly client: ChainClient;
  readonly maxRows: number;
  /** Gas for one signature check by an account with code: `maxSignerGas` of `KeeperPolicy`. */
  readonly signerGas: bigint;
  /** Gas that a claim may take however little it brings; see `KeeperPolicy`. */
  readonly gasFloor: bigint;
  /** Price of one ether in millionths of a dollar; 0 if a claim may cost more than it brings. */
  readonly etherMicroUsd: bigint;
  /** The accounts that may send. Some choices depend on them. */
  readonly senders: readonly Address[];
  readonly nowMs: number;
  readonly deadlineSeconds: bigint;
};

/** A voucher that cannot be claimed, or not in full. */
export type BadVoucher = { readonly channelId: Hex; readonly reason: string };

/** A claim of one channel. `claimed` is how much of it is claimed on the chain already. */
type Claim = { readonly row: ChannelRow; readonly claim: VoucherClaim; readonly claimed: bigint };

/**
 * Composes calls that claim those of these channels that the chain says have something to claim. All channels are of
 * one authority. Vouchers that would make a claim fail are found beforehand (see `findBadRows`) and left out.
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function composeClaims(
  port: ComposePort,
  authority: Authority,
  rows: readonly ChannelRow[],
): Promise<{ readonly calls: readonly KeeperCall[]; readonly bad: readonly BadVoucher[] }> {
  const { client } = port;
  const states = await readChannels(
    client,
    rows.map(({ channelId }) => channelId),
  );
  const bad: BadVoucher[] = [];
  const claims = rows.flatMap((row, index): Claim[] => {
    const state = states[index];
    const claim = state === undefined ? undefined : claimOf(row, state);
    if (claim === undefined) return [];
    if (claim.totalClaimed < chargedOf(row)) bad.push({ channelId: row.channelId, reason: "ClaimExceedsBalance" });
    return [{ row, claim, claimed: state?.totalClaimed ?? 0n }];
  });
  const calls: KeeperCall[] = [];
  const refuse = ({ row }: Claim, reason: string): void => void bad.push({ channelId: row.channelId, reason });
  const by = authority.kind === "sender" ? { by: authority.address } : {};
  for (const { group, walletChecks, isStrange } of await groupsOf(port, claims)) {
    const found = await findBadRows(
      client,
      group.map(({ claim }) => claim),
      { ...by, signerGas: port.signerGas },
    );
    for (const { index, reason } of found) refuse(group[index]!, reason);
    const good = group.filter((_, index) => !found.some((one) => one.index === index));
    const call = good.length === 0 ? undefined : await composeClaim(port, authority, good, { walletChecks, isStrange });
    if (call !== undefined) calls.push(call);
    else for (const one of good) refuse(one, "ClaimCostsTooMuch");
  }
  return { calls, bad };
}

type Group = { readonly group: readonly Claim[]; readonly walletChecks: number; readonly isStrange: boolean };

/**
 * The most channels in one claim whose payers sign for themselves: if one payer's account is given code, the claim can
 * fail.
 */
const MAX_SELF_SIGNED = 8;

/**
 * Groups claims that can share a call. Channels with a signing key of their own go together, up to `maxRows`. A payer
 * who signs without such a key may be given code at any moment (EIP-7702), and that code then decides whether the
 * voucher is valid. So only a few of these share a claim. One that has code, or failed before, goes alone.
 */
async function groupsOf({ client, maxRows }: ComposePort, claims: readonly Claim[]): Promise<readonly Group[]> {
  const own = claims.filter(({ claim }) => isSelfSigned(claim.voucher.channel));
  const withCode = await findWallets(client, own);
  const isWallet = ({ claim }: Claim) => withCode.has(claim.voucher.channel.payer.toLowerCase());
  const isSuspect = ({ row }: Claim) => row.fault !== undefined;
  const keyed = claims.filter((one) => !own.includes(one));
  const alone = own.filter((one) => isWallet(one) || isSuspect(one));
  const few = own.filter((one) => !alone.includes(one));
  return [
    ...chunks(keyed, maxRows).map((group) => ({ group, walletChecks: 0, isStrange: false })),
    ...chunks(few, Math.min(maxRows, MAX_SELF_SIGNED)).map((group) => ({ group, walletChecks: 0, isStrange: true })),
    ...alone.map((one) => ({ group: [one], walletChecks: isWallet(one) ? 1 : 0, isStrange: true })),
  ];
}

/** The claim to make for a channel, for no more than it holds; undefined if that much is claimed already. */
export function claimOf(
  row: ChannelRow,
  { balance, totalClaimed }: Pick<ChainChannel, "balance" | "totalClaimed">,
): VoucherClaim | undefined {
  const { record } = row;
  const target = [chargedOf(row), BigInt(record.signedMaxClaimable), balance].reduce((a, b) => (a < b ? a : b));
  if (target <= totalClaimed) return undefined;
  const channel = configOf(row);
  return {
    voucher: { channel, maxClaimableAmount: BigInt(record.signedMaxClaimable) },
    signature: claimableSignature(channel, record.signature as Hex),
    totalClaimed: target,
  };
}

/** The terms of a channel, in the form that the contract takes. */
export function configOf({ record: { channelConfig } }: Pick<ChannelRow, "record">): ChannelConfig {
  const { payer, payerAuthorizer, receiver, receiverAuthorizer, token, withdrawDelay, salt } = channelConfig;
  return { payer, payerAuthorizer, receiver, receiverAuthorizer, token, withdrawDelay, salt };
}

/** The payers that have code, in lower case, among claims whose payers sign their vouchers themselves. */
async function findWallets(client: ChainClient, own: readonly Claim[]): Promise<ReadonlySet<string>> {
  const [first] = own;
  if (first === undefined) return new Set();
  const payers = own.map(({ claim }) => claim.voucher.channel.payer);
  return readCodes(client, first.claim.voucher.channel.token, payers);
}

/**
 * The call that claims these. Undefined if the result depends on code that is not the contract's, and the call would
 * cost more than it brings or fails in an eth_call.
 */
async function composeClaim(
  port: ComposePort,
  authority: Authority,
  good: readonly Claim[],
  { walletChecks, isStrange }: Omit<Group, "group">,
): Promise<KeeperCall | undefined> {
  const { client, senders, gasFloor: floorGas, signerGas, etherMicroUsd } = port;
  const rows = good.map(({ claim }) => claim);
  const claims = good.map(({ row, claim }) => ({ channelId: row.channelId, totalClaimed: claim.totalClaimed }));
  const isOwnWallet = authority.kind === "signature" && (await hasCode(client, authority.key.address));
  const call = await encodeClaim(client, authority, good);
  const modelGas = transactionGasOf(call);
  const checks = walletChecks + (isOwnWallet ? 1 : 0);
  if (call.proof !== undefined && checks === 0 && !isStrange) return keeperCall(port, call, { claims, sweeps: [] });

  const to = BATCH_SETTLEMENT_ADDRESS;
  // The gas of failed claims counts against what the channel holds.
  const wasted = good.reduce((sum, { row }) => sum + (row.fault?.gas ?? 0n), 0n);
  const microUsd = rows.reduce((sum, { totalClaimed }, i) => sum + totalClaimed - good[i]!.claimed, 0n);
  const worth = isStrange
    ? await readWorth(client, { to, data: call.data, gas: modelGas }, { microUsd, etherMicroUsd })
    : undefined;
  const budget = budgetGas({ modelGas, walletChecks: checks, signerGas, worth, floorGas });
  const gas = budget.isByWorth ? budget.gas - wasted : budget.gas;
  if (gas < CLAIM_GAS) return undefined;
  const from = authority.kind === "sender" ? authority.address : senders[0];
  const passes = from === undefined || (await preflightCall(client, { from, to, data: call.data, gas })) === undefined;
  return passes ? keeperCall(port, { data: call.data, gas, proof: undefined }, { claims, sweeps: [] }) : undefined;
}

/** The claim with the gas of the call alone, and its proof if anybody may send it. */
async function encodeClaim(client: ChainClient, authority: Authority, good: readonly Claim[]) {
  const rows = good.map(({ claim }) => claim);
  if (authority.kind === "sender") {
    const gas = CLAIM_GAS + CLAIM_ROW_GAS * BigInt(rows.length);
    return { data: encodeFunctionData({ abi, functionName: "claim", args: [rows] }), gas, proof: undefined };
  }
  const signature = await authority.key.signTypedData(claimBatchTypedData(client.chain.id, rows));
  const [first] = good;
  if (first === undefined) throw new Error("a claim has at least one row");
  return claimCall(rows, signature, { channelId: first.row.channelId, totalClaimed: first.claim.totalClaimed });
}

/** The call that sweeps what was claimed to a receiver. It goes behind the claims of the same moment. */
export function composeSweep(
  port: ComposePort,
  sweep: { readonly receiver: Address; readonly token: Address },
): KeeperCall {
  const receiver = getAddress(sweep.receiver);
  const token = getAddress(sweep.token);
  // The engine sends calls with an earlier deadline first.
  const behind = { ...port, deadlineSeconds: port.deadlineSeconds + 1n };
  const call = sweepCall(receiver, token);
  return keeperCall(behind, call, { claims: [], sweeps: [{ receiver, token }] });
}

/** A call with a new key of its own. */
export function keeperCall(
  { client, nowMs, deadlineSeconds }: Pick<ComposePort, "client" | "nowMs" | "deadlineSeconds">,
  { data, gas, proof }: Pick<ChannelCall, "data" | "gas"> & { readonly proof: ChannelCall["proof"] | undefined },
  what: Pick<KeeperCall, "claims" | "sweeps" | "refunds">,
): KeeperCall {
  return {
    key: `channels-${randomUUID()}`,
    chainId: client.chain.id,
    to: BATCH_SETTLEMENT_ADDRESS,
    data,
    gas,
    ...(proof === undefined ? {} : { proof }),
    deadlineSeconds,
    ...what,
    createdAtMs: nowMs,
    state: "open",
  };
}
