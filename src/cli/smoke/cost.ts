import type { Address, Hex } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import { estimateDeployment } from "../../deploy/index.ts";
import { type JobPayment, type MinedTransaction, quoteSettlement } from "../../settlement/index.ts";
import { dataFeeOf } from "../../settlement/outcome/receipt.ts";
import type { Cost } from "./transcript.ts";

/**
 * The gas that a deployment should take; null if that cannot be estimated. The deployment's own error then says more.
 */
export async function predictDeployment(client: ChainClient, from: Address): Promise<bigint | null> {
  return estimateDeployment(client, { sender: from }).then(
    ({ gas }) => gas,
    () => null,
  );
}

/** What settling some payments should take at the chain's prices now; null if no batch of them would do. */
export async function predictSettlement(
  client: ChainClient,
  payments: readonly JobPayment[],
  from: Address,
): Promise<(Cost & { readonly gasPriceWei: bigint }) | null> {
  // Dollars are left out of the transcript, so the price of ether does not matter.
  const { total, gasPriceWei } = await quoteSettlement(client, { payments, sender: from, etherMicroUsd: 0n });
  if (total === undefined) return null;
  const { transactions, gas, price } = total;
  return { transactions, gas, feeWei: price.totalWei, dataFeeWei: price.dataWei, gasPriceWei };
}

/** What transactions took. */
export function sumOf(transactions: readonly MinedTransaction[]): Cost {
  const sum = (pick: (one: MinedTransaction) => bigint) => transactions.reduce((total, one) => total + pick(one), 0n);
  return {
    transactions: transactions.length,
    gas: sum(({ gasUsed }) => gasUsed),
    feeWei: sum(({ feeWei }) => feeWei),
    dataFeeWei: sum(({ dataFeeWei }) => dataFeeWei),
  };
}

/** What one transaction took; null if there is none or the node does not know it. */
export async function costOf(client: ChainClient, hash: Hex | null): Promise<Cost | null> {
  if (hash === null) return null;
  const receipt = await client.getTransactionReceipt({ hash }).catch(() => undefined);
  if (receipt === undefined) return null;
  const dataFeeWei = dataFeeOf(receipt);
  const feeWei = receipt.gasUsed * receipt.effectiveGasPrice + dataFeeWei;
  return { transactions: 1, gas: receipt.gasUsed, feeWei, dataFeeWei };
}
