import { createWalletClient, type Hex, http, nonceManager, publicActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { baseSepolia } from "viem/chains";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import { MULTICALL3_ADDRESS } from "../../src/chain/multicall3.ts";
import { ierc3009Artifact } from "../../src/contracts/IERC3009.ts";
import { networks } from "../../src/networks.ts";
import { CALLS_PER_MULTICALL, encodeMulticall } from "./ways.ts";

export type Settled = { readonly settled: number; readonly gas: number };

const AUTHORIZATION_USED = "0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5";

function walletOf(rpcUrl: string, privateKey: Hex) {
  return createWalletClient({
    account: privateKeyToAccount(privateKey, { nonceManager }),
    chain: baseSepolia,
    transport: http(rpcUrl),
    pollingInterval: 50,
  }).extend(publicActions);
}

/**
 * One transaction per payment with viem and its nonceManager. They are sent in order, because a chain that mines at once takes
 * no txNonce before the previous one; receipts are awaited in parallel.
 */
export async function settleOneByOne(
  rpcUrl: string,
  privateKey: Hex,
  payments: readonly SignedAuthorization[],
): Promise<Settled> {
  const wallet = walletOf(rpcUrl, privateKey);
  const receipts = [];
  for (const { from, to, value, validAfter, validBefore, nonce, signature } of payments) {
    const hash = await wallet.writeContract({
      address: networks.baseSepolia.usdc.address,
      abi: ierc3009Artifact.abi,
      functionName: "transferWithAuthorization",
      args: [from, to, value, validAfter, validBefore, nonce, ...partsOf(signature)],
    });
    receipts.push(wallet.waitForTransactionReceipt({ hash }));
  }
  const mined = await Promise.all(receipts);
  return {
    settled: mined.filter(({ status }) => status === "success").length,
    gas: mined.reduce((sum, { gasUsed }) => sum + Number(gasUsed), 0),
  };
}

/** Multicall3's `aggregate3`, 300 payments to a transaction, one transaction after the other. */
export async function settleWithMulticall(
  rpcUrl: string,
  privateKey: Hex,
  payments: readonly SignedAuthorization[],
): Promise<Settled> {
  const wallet = walletOf(rpcUrl, privateKey);
  let settled = 0;
  let gas = 0;
  for (let i = 0; i < payments.length; i += CALLS_PER_MULTICALL) {
    const data = encodeMulticall(networks.baseSepolia.usdc.address, payments.slice(i, i + CALLS_PER_MULTICALL));
    const hash = await wallet.sendTransaction({ to: MULTICALL3_ADDRESS, data, gas: 2n ** 24n });
    const receipt = await wallet.waitForTransactionReceipt({ hash });
    gas += Number(receipt.gasUsed);
    settled += receipt.logs.filter(({ topics }) => topics[0] === AUTHORIZATION_USED).length;
  }
  return { settled, gas };
}

function partsOf(signature: Hex): [v: number, r: Hex, s: Hex] {
  const v = Number.parseInt(signature.slice(130), 16);
  return [v, `0x${signature.slice(2, 66)}`, `0x${signature.slice(66, 130)}`];
}
