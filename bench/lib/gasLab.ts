import { type Address, type Hex, isHex, numberToHex, size } from "viem";
import { encodeTransfer } from "../../src/authorization/encode.ts";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import { type PlannedBatch, planBatches, tokenKey } from "../../src/batch/index.ts";
import { intrinsicGas } from "../../src/gas/evm.ts";
import { countBytes, MOCK_USDC_GAS, ROUTER_GAS } from "../../src/gas/index.ts";
import { type LocalChain, startLocalChain } from "../../src/local/index.ts";
import { encodeSettle, type RouterItem } from "../../src/router/index.ts";
import { gasInto, traceCalls } from "../../test/helpers/trace.ts";
import { bytesFor } from "./random.ts";
import { setBalances } from "./token.ts";
import { encodeMulticall } from "./ways.ts";

/** A mined transaction, and how much of its gas was used inside the token's calls. */
export type Used = {
  readonly gas: number;
  readonly tokenGas: number;
  readonly calldataBytes: number;
  /** Payments that the token's logs prove. */
  readonly settled: number;
};

export type Call = { readonly to: Address; readonly data: Hex; readonly gas?: bigint };

const AUTHORIZATION_USED = "0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5";
/** The most gas of a transaction (EIP-7825). */
const MOST_GAS = 2n ** 24n;
/** A balance that no account spends, so everybody has one before and after. */
export const RICH = 10n ** 12n;

export type GasLab = Awaited<ReturnType<typeof openGasLab>>;

/** A local chain in process where transactions are measured and taken back, so that each starts from the same state. */
export async function openGasLab(seed: number) {
  const chain = await startLocalChain();
  // Not a payer, and known to the chain, which signs for it.
  const sender = chain.accounts[19]!.address;
  const provider = {
    request: ({ method, params }: { method: string; params: unknown[] }) => chain.request(method, params),
  };

  async function send(calls: readonly Call[], traced = true): Promise<Used> {
    const snapshot = await chain.request("evm_snapshot");
    const sum = { gas: 0, tokenGas: 0, calldataBytes: 0, settled: 0 };
    for (const { to, data, gas = MOST_GAS } of calls) {
      const hash = await chain.request("eth_sendTransaction", [{ from: sender, to, data, gas: numberToHex(gas) }]);
      if (!isHex(hash)) throw new Error("the chain gave no hash");
      const receipt = await receiptOf(chain, hash);
      sum.gas += Number(receipt.gasUsed);
      if (to === chain.usdc) sum.tokenGas += Number(receipt.gasUsed) - intrinsicGas(countBytes(data));
      else if (traced) sum.tokenGas += Number(gasInto(await traceCalls(provider, hash), chain.usdc));
      sum.calldataBytes += size(data);
      sum.settled += receipt.logs.filter(({ topics }) => topics[0] === AUTHORIZATION_USED).length;
    }
    await chain.request("evm_revert", [snapshot]);
    return sum;
  }

  return {
    chain,
    send,
    /** Gives these accounts a balance of the token. */
    fund: (accounts: readonly Address[], amount = RICH) => setBalances(chain.request, accounts, amount),
    single: (payment: SignedAuthorization): Call => ({
      to: chain.usdc,
      data: encodeTransfer(payment, "vrs"),
      gas: 200_000n,
    }),
    multicall: (payments: readonly SignedAuthorization[]): Call => ({
      to: chain.multicall3,
      data: encodeMulticall(chain.usdc, payments),
    }),
    router: (items: readonly RouterItem[], gasAllowance = 100_000n): Call => ({
      to: chain.router,
      data: encodeSettle({ token: chain.usdc, batchId: bytesFor(seed, "batch", items.length), gasAllowance, items }),
    }),
    /** The planner's batches of payments between accounts that all have enough. */
    plan: (payments: readonly SignedAuthorization[]) => {
      const accounts = payments.flatMap(({ from, to }) => [from.toLowerCase(), to.toLowerCase()]);
      const balances = new Map(accounts.map((account) => [account, RICH]));
      return planBatches({
        payments,
        nowSeconds: BigInt(Math.floor(Date.now() / 1000)),
        routerAvailable: true,
        gasModel: { token: MOCK_USDC_GAS, router: ROUTER_GAS },
        balances: new Map([[tokenKey(chain.chainId, chain.usdc), balances]]),
      });
    },
    /** A planned batch as its transaction, with the plan's gas limit. */
    callOf: (batch: PlannedBatch): Call => {
      const [item] = batch.items;
      if (batch.kind === "direct" && item !== undefined) {
        return { to: batch.token, data: encodeTransfer(item.authorization), gas: batch.gasLimit };
      }
      const batchId = bytesFor(seed, "batch", batch.items.length);
      return { to: chain.router, data: encodeSettle({ ...batch, batchId }), gas: batch.gasLimit };
    },
  };
}

type Receipt = { readonly gasUsed: Hex; readonly logs: readonly { readonly topics: readonly Hex[] }[] };

async function receiptOf(chain: LocalChain, hash: Hex): Promise<Receipt> {
  const receipt = await chain.request("eth_getTransactionReceipt", [hash]);
  if (typeof receipt !== "object" || receipt === null || !("gasUsed" in receipt))
    throw new Error(`${hash} is not mined`);
  return receipt as Receipt;
}
