import type { Address, Hex } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import { estimateDeployment } from "../../deploy/index.ts";
import { type JobPayment, type MinedTransaction, quoteSettlement } from "../../settlement/index.ts";
import { dataFeeOf } from "../../settlement/outcome/receipts/costs.ts";
import type { Cost } from "./transcript.ts";

/**
 * The gas that a deployment should take; null if that cannot be estimated. Then the deployment's own error says more.
 */
export async function predictDeployment(client: ChainClient, from: Address): Promise<bigint | null> {
  return estimateDeployment(client, { sender: from }).then(
    ({ gas }) => gas,
    () => null,
  );
}

/** What settling some payments should cost at the chain's current prices; null if none of them can settle. */
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

/** The total cost of transactions. */
export function sumOf(transactions: readonly MinedTransaction[]): Cost {
  const sum = (pick: (one: MinedTransaction) => bigint) => transactions.reduce((total, one) => total + pick(one), 0n);
  return {
    transactions: transactions.length,
    gas: sum(({ gasUsed }) => gasUsed),
    feeWei: sum(({ feeWei }) => feeWei),
    dataFeeWei: sum(({ dataFeeWei }) => dataFeeWei),
  };
}

/** The cost of one transaction; null if there is none or the node does not know it. */
export async function costOf(client: ChainClient, hash: Hex | null): Promise<Cost | null> {
  if (hash === null) return null;
  const receipt = await client.getTransactionReceipt({ hash }).catch(() => undefined);
  if (receipt === undefined) return null;
  const dataFeeWei = dataFeeOf(receipt);
  const feeWei = receipt.gasUsed * receipt.effectiveGasPrice + dataFeeWei;
  return { transactions: 1, gas: receipt.gasUsed, feeWei, dataFeeWei };
}
