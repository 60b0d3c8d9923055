import { encodeFunctionData, type Hex } from "viem";
import { batchSettlementAbi as abi } from "../channels/abi.ts";
import { CLAIM_GAS, CLAIM_ROW_GAS } from "../channels/gas.ts";
import { BATCH_SETTLEMENT_ADDRESS, type VoucherClaim } from "../channels/index.ts";
import { nameChannelRevert } from "../channels/reverts.ts";
import { unavailable } from "./ask.ts";
import type { ChainClient } from "./client.ts";
import { revertDataOf } from "./reverts.ts";

/** A row of a claim that makes the whole claim fail. */
export type BadRow = { readonly index: number; readonly reason: string };

/** For wallets that are asked by ERC-1271. */
const SPARE_GAS = 5_000_000n;

/**
 * Finds the rows that make a claim fail, by eth_calls of ever smaller parts. They are asked in the name of the rows' receiver
 * authorizer, who needs no signature, so that a part can be asked that nobody signed. A good row is no worse for a bad
 * one: whether it can be claimed depends on its own channel.
 * @throws ChainUnavailableError where the node does not answer.
 */
export async function findBadRows(client: ChainClient, rows: readonly VoucherClaim[]): Promise<readonly BadRow[]> {
  const account = rows[0]?.voucher.channel.receiverAuthorizer;
  if (account === undefined) return [];
  const reasonOf = async (part: readonly VoucherClaim[]): Promise<Hex | undefined> => {
    const data = encodeFunctionData({ abi, functionName: "claim", args: [part] });
    const gas = SPARE_GAS + CLAIM_GAS + CLAIM_ROW_GAS * BigInt(part.length);
    try {
      await client.call({ account, to: BATCH_SETTLEMENT_ADDRESS, data, gas });
      return undefined;
    } catch (error) {
      const reason = revertDataOf(error);
      if (reason === undefined) throw unavailable("the pre-flight of a claim", error);
      return reason;
    }
  };
  const search = async (start: number, end: number): Promise<BadRow[]> => {
    const reason = await reasonOf(rows.slice(start, end));
    if (reason === undefined) return [];
    if (end - start === 1) return [{ index: start, reason: nameChannelRevert(reason) }];
    const middle = start + Math.ceil((end - start) / 2);
    return (await Promise.all([search(start, middle), search(middle, end)])).flat();
  };
  return search(0, rows.length);
}
