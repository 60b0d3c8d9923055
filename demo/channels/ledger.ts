import type { Address, Hex } from "viem";
import type { ChainClient } from "../../src/chain/client.ts";
import { readChannels, readUnswept } from "../../src/chain/facts/channels.ts";
import type { ChannelRecord } from "../../src/settlement/index.ts";
import type { Measurement } from "../measure.ts";
import { readSettled } from "../sale/ledger.ts";

/** A channel as the resource server's storage and the chain have it. Amounts in atomic units. */
export type ChannelAccount = {
  readonly channelId: Hex;
  readonly payer: Address;
  /** What the server has charged in total. */
  readonly charged: bigint;
  /** The total that the server's newest voucher allows it to claim. */
  readonly signed: bigint;
  /** What was deposited, according to the chain. Nothing was refunded. */
  readonly deposited: bigint;
  /** What was claimed of the deposit, according to the chain. */
  readonly claimed: bigint;
};

/** Transactions of one account, and their gas. */
export type Sent = { readonly transactions: number; readonly gasUsed: bigint };

/** What the chain shows of a sale by channels. Nothing comes from those who took part in it. */
export type ChannelLedger = {
  readonly channels: readonly ChannelAccount[];
  /** How many deposits the token's logs prove. */
  readonly deposits: number;
  /** What was claimed for the payee but not yet sent to it. */
  readonly unswept: bigint;
  /** The transactions of the facilitator, which sends deposits, and of the keeper, which claims and sweeps. */
  readonly sent: { readonly facilitator: Sent; readonly keeper: Sent };
};

/** Reads the state of these channels at the newest block, and every block since `fromBlock`. */
export async function readChannelLedger(
  client: ChainClient,
  records: readonly ChannelRecord[],
  of: {
    readonly token: Address;
    readonly payee: Address;
    readonly facilitator: Address;
    readonly keeper: Address;
    readonly fromBlock: bigint;
  },
): Promise<ChannelLedger> {
  const { token, payee, fromBlock } = of;
  const ids = records.map(({ channelId }) => channelId as Hex);
  const states = await readChannels(client, ids);
  const facilitator = await readSettled(client, { token, sender: of.facilitator, fromBlock });
  const keeper = await readSettled(client, { token, sender: of.keeper, fromBlock });
  return {
    channels: records.map((record, index) => ({
      channelId: record.channelId as Hex,
      payer: record.channelConfig.payer as Address,
      charged: BigInt(record.chargedCumulativeAmount),
      signed: BigInt(record.signedMaxClaimable),
      deposited: states[index]?.balance ?? 0n,
      claimed: states[index]?.totalClaimed ?? 0n,
    })),
    deposits: facilitator.uses.size,
    unswept: (await readUnswept(client, [{ receiver: payee, token }]))[0] ?? 0n,
    sent: {
      facilitator: { transactions: facilitator.transactions, gasUsed: facilitator.gasUsed },
      keeper: { transactions: keeper.transactions, gasUsed: keeper.gasUsed },
    },
  };
}

/** Adds up the transactions of several accounts. */
export function together(sent: readonly Sent[], settled: number): Measurement {
  return {
    transactions: sent.reduce((sum, one) => sum + one.transactions, 0),
    gasUsed: sent.reduce((sum, one) => sum + one.gasUsed, 0n),
    settled,
  };
}
