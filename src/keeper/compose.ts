import { randomUUID } from "node:crypto";
import { type Address, encodeFunctionData, getAddress, type Hex, isAddressEqual, zeroAddress } from "viem";
import { ask } from "../chain/ask.ts";
import { type ChainChannel, readChannels } from "../chain/channels.ts";
import { findBadRows } from "../chain/claims.ts";
import type { ChainClient } from "../chain/client.ts";
import { hasCode } from "../chain/facts.ts";
import { batchSettlementAbi as abi } from "../channels/abi.ts";
import { type ChannelCall, claimCall, sweepCall } from "../channels/calls.ts";
import { CLAIM_GAS, CLAIM_ROW_GAS } from "../channels/gas.ts";
import {
  BATCH_SETTLEMENT_ADDRESS,
  type ChannelConfig,
  claimBatchTypedData,
  type VoucherClaim,
} from "../channels/index.ts";
import { claimableSignature } from "../channels/signature.ts";
import { countBytes, gasLimitFor } from "../gas/index.ts";
import type { ChannelRow, KeeperCall } from "../settlement/store/index.ts";
import type { Authority } from "./authority.ts";
import { chargedOf } from "./rows.ts";

export type ComposePort = {
  readonly client: ChainClient;
  readonly maxRows: number;
  /** Who sends, for what depends on it. */
  readonly senders: readonly Address[];
  readonly nowMs: number;
  readonly deadlineSeconds: bigint;
};

/** A voucher that cannot be claimed, or not in full. */
export type BadVoucher = { readonly channelId: Hex; readonly reason: string };

type Claim = { readonly row: ChannelRow; readonly claim: VoucherClaim };

/**
 * Calls that claim these channels, all of one authority, as far as the chain says that there is something to claim. Vouchers
 * that would make a claim fail are found by eth_call and left out.
 * @throws ChainUnavailableError where the node does not answer.
 */
export async function composeClaims(
  port: ComposePort,
  authority: Authority,
  rows: readonly ChannelRow[],
): Promise<{ readonly calls: readonly KeeperCall[]; readonly bad: readonly BadVoucher[] }> {
  const { client, maxRows } = port;
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
    return [{ row, claim }];
  });
  const withCode = await findWallets(client, claims);
  const isWallet = ({ claim }: Claim) => withCode.has(claim.voucher.channel.payer.toLowerCase());
  const plain = claims.filter((claim) => !isWallet(claim));
  const groups = claims.filter(isWallet).map((claim) => [claim]);
  for (let start = 0; start < plain.length; start += maxRows) groups.push(plain.slice(start, start + maxRows));

  const calls: KeeperCall[] = [];
  for (const group of groups) {
    const found = await findBadRows(
      client,
      group.map(({ claim }) => claim),
    );
    for (const { index, reason } of found) bad.push({ channelId: group[index]!.row.channelId, reason });
    const good = group.filter((_, index) => !found.some((one) => one.index === index));
    if (good.length > 0) calls.push(await callOf(port, authority, good, group.some(isWallet)));
  }
  return { calls, bad };
}

/** What is to be claimed of a channel: no more than it holds, and nothing where that is claimed. */
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

/** The terms of a channel as the contract takes them. */
export function configOf({ record: { channelConfig } }: Pick<ChannelRow, "record">): ChannelConfig {
  const { payer, payerAuthorizer, receiver, receiverAuthorizer, token, withdrawDelay, salt } = channelConfig;
  return { payer, payerAuthorizer, receiver, receiverAuthorizer, token, withdrawDelay, salt };
}

/** Payers with code that sign their vouchers themselves: such a voucher is what their code says, each time anew. */
async function findWallets(client: ChainClient, claims: readonly Claim[]): Promise<ReadonlySet<string>> {
  const own = claims.filter(({ claim }) => isAddressEqual(claim.voucher.channel.payerAuthorizer, zeroAddress));
  const payers = [...new Set(own.map(({ claim }) => claim.voucher.channel.payer.toLowerCase() as Address))];
  const found = await Promise.all(payers.map((payer) => hasCode(client, payer)));
  return new Set(payers.filter((_, index) => found[index]));
}

async function callOf(
  port: ComposePort,
  authority: Authority,
  good: readonly Claim[],
  isWallet: boolean,
): Promise<KeeperCall> {
  const { client } = port;
  const rows = good.map(({ claim }) => claim);
  const claims = good.map(({ row, claim }) => ({ channelId: row.channelId, totalClaimed: claim.totalClaimed }));
  const common = { claims, sweeps: [] };
  if (authority.kind === "sender") {
    const data = encodeFunctionData({ abi, functionName: "claim", args: [rows] });
    const gas = isWallet
      ? await estimate(client, authority.address, data)
      : BigInt(gasLimitFor(countBytes(data), Number(CLAIM_GAS) + Number(CLAIM_ROW_GAS) * rows.length));
    return keeperCall(port, { data, gas, proof: undefined }, common);
  }
  const signature = await authority.key.signTypedData(claimBatchTypedData(client.chain.id, rows));
  const call = claimCall(rows, signature, claims[0]!);
  const isShared = !isWallet && !(await hasCode(client, authority.key.address));
  if (isShared) return keeperCall(port, call, common);
  const gas = await estimate(client, port.senders[0] ?? zeroAddress, call.data);
  return keeperCall(port, { data: call.data, gas, proof: undefined }, common);
}

/** The call that sweeps to a receiver what was claimed. It goes behind the claims of the same moment. */
export function composeSweep(
  port: ComposePort,
  sweep: { readonly receiver: Address; readonly token: Address },
): KeeperCall {
  const receiver = getAddress(sweep.receiver);
  const token = getAddress(sweep.token);
  // The engine sends what has less time first.
  const behind = { ...port, deadlineSeconds: port.deadlineSeconds + 1n };
  const call = sweepCall(receiver, token);
  return keeperCall(behind, call, { claims: [], sweeps: [{ receiver, token }] });
}

/** A call with a key of its own. */
export function keeperCall(
  { client, nowMs, deadlineSeconds }: Pick<ComposePort, "client" | "nowMs" | "deadlineSeconds">,
  { data, gas, proof }: Pick<ChannelCall, "data" | "gas"> & { readonly proof: ChannelCall["proof"] | undefined },
  what: Pick<KeeperCall, "claims" | "sweeps">,
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

/** Gas of a transaction in which a stranger's code has a say: half as much again as it takes now. */
async function estimate(client: ChainClient, account: Address, data: Hex): Promise<bigint> {
  const gas = await ask("an estimate", client.estimateGas({ account, to: BATCH_SETTLEMENT_ADDRESS, data }));
  return (gas * 3n) / 2n;
}
