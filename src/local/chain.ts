import type { Address } from "viem";
import type { SignedAuthorization } from "../authorization/types.ts";
import { networks } from "../networks.ts";
import type { SettlementReport } from "../settlement/index.ts";
import type { LocalChainAccount } from "./accounts.ts";
import { LocalChainError } from "./errors.ts";
import { FAUCET, mintCall, populate } from "./genesis.ts";
import { onTime } from "./node/onTime.ts";
import { type DevelopmentNode, openDevelopmentNode, type Request } from "./node.ts";
import { type PaymentTerms, signPayment } from "./payments.ts";
import { preconfirming } from "./preconfirm/index.ts";
import { chainTime, presentable } from "./presentation.ts";
import { serveRpc } from "./rpcServer.ts";
import { settleLocally } from "./settle.ts";
import { TEST_ACCOUNTS } from "./testAccounts.ts";
import { sender } from "./transaction.ts";

const BALANCE_PER_ACCOUNT_WEI = 10_000n * 10n ** 18n;
/** The other ten accounts start without USDC, so that there are payees without a balance. */
const ACCOUNTS_WITH_USDC = 10;
const USDC_PER_ACCOUNT = 1_000_000_000_000n;
const MAX_BLOCK_TIME_SECONDS = 3600;

/** How a local chain runs. */
export type LocalChainOptions = {
  /** TCP port on 127.0.0.1. Default 0: any free one. */
  readonly port?: number;
  /** Seconds between blocks; fractions are fine. Default 0: every transaction is mined at once. */
  readonly blockTimeSeconds?: number;
  /**
   * Milliseconds between preconfirmations, 200 on a chain with Flashblocks. Default 0: none. It must be smaller than the
   * block time. Base had Flashblocks until its Denim upgrade (November 2026) and has had a block every 200 ms since, for
   * which `blockTimeSeconds` is 0.2; other OP-stack chains still have them.
   *
   * A transaction is preconfirmed at the next step: it has a receipt, which names the block that is being built and a hash
   * that is not the final one, and the tag `pending` shows it (`eth_getBlockByNumber`, `eth_getTransactionCount`).
   * `base_transactionStatus` and the subscription `newFlashblockTransactions` are there, too. It differs from a real
   * endpoint in this:
   * - `eth_call`, `eth_estimateGas` and `eth_getBalance` on `pending` see a transaction up to one step early, and the
   *   machine's time instead of the block's.
   * - `eth_getTransactionByHash` shows a preconfirmed transaction as one that waits.
   * - A block has no first transaction of the chain's own. Transactions are in the order in which they came, whatever
   *   they pay.
   * - `PREVRANDAO` is another in a preconfirmation than in the block.
   * - `eth_getLogs` knows nothing of the block that is being built, and there are no other subscriptions to it.
   */
  readonly preconfirmMs?: number;
  /**
   * Share of the preconfirmed transactions that are left out of their block and dropped from the mempool, from 0 to 1.
   * Default 0. Later ones of the same sender then wait for the missing txNonce. A transaction that is sent again is not
   * taken back a second time, and what `fund` sends never is.
   */
  readonly takenBackShare?: number;
  /** Leaves the settlement router out, to try its deployment. Default false. */
  readonly bare?: boolean;
};

/** A running local chain. Every amount is in atomic units. */
export type LocalChain = {
  /** HTTP endpoint; JSON-RPC batches are fine. */
  readonly rpcUrl: string;
  /** The same over WebSocket, with `eth_subscribe`. */
  readonly webSocketUrl: string;
  /** Base Sepolia's. */
  readonly chainId: 84532;
  /** Test USDC, at the address that Base Sepolia's USDC has. */
  readonly usdc: Address;
  /**
   * Multicall3: the genuine code if the optional package `@foundry-rs/anvil` is installed, else viem's build of the
   * same source, which uses about 900 gas more for each call.
   */
  readonly multicall3: Address;
  /** Undefined if the package that brings it (`@nomicfoundation/ignition-core`) is not installed. */
  readonly createX: Address | undefined;
  /**
   * A double of x402's channel contract (scheme `batch-settlement`). The double of its ERC-3009 collector is there,
   * too.
   */
  readonly batchSettlement: Address;
  /** The settlement router. */
  readonly router: Address;
  /**
   * Twenty accounts of the usual test mnemonic, each with 10,000 ETH; the first ten have 1,000,000 USDC each, the others
   * none. Account 0 owns the token and may mint it.
   */
  readonly accounts: readonly LocalChainAccount[];
  /** Mints `amount` of USDC to `address`, in a transaction that has no effect on the txNonce of any of `accounts`. */
  readonly fund: (address: Address, amount: bigint) => Promise<void>;
  /** Signs a payment from one of `accounts` or any other key. Times count from the chain's clock. */
  readonly sign: (payer: Pick<LocalChainAccount, "privateKey">, terms: PaymentTerms) => Promise<SignedAuthorization>;
  /** Settles signed payments from account 0 and reports what became of each. Nothing is kept for another run. */
  readonly settle: (payments: readonly SignedAuthorization[]) => Promise<SettlementReport>;
  /** Time of the next block in Unix seconds: the machine's, unless `evm_increaseTime` moved it. */
  readonly now: () => Promise<bigint>;
  /** One JSON-RPC call without a socket, `evm_*` and `hardhat_*` methods included. */
  readonly request: Request;
  /** Ends the chain and drops its connections. Calling it again does nothing. */
  readonly stop: () => Promise<void>;
};

/** A local chain that may lack the router. */
export type BareLocalChain = Omit<LocalChain, "router"> & { readonly router: Address | undefined };

/**
 * Starts a chain in this process that clients take for Base Sepolia: with its chain id, its USDC address, Multicall3,
 * CreateX, the settlement router and funded accounts. Nothing is compiled or downloaded, and no process is started. The
 * chain runs the Osaka rules (a transaction has at most 2^24 gas, EIP-7825) and charges no OP-stack data fee.
 *
 * @throws HardhatUnavailableError if Hardhat 3 is not installed; PortUnavailableError if the port is taken;
 * LocalChainError for an option out of range.
 */
export function startLocalChain(options?: LocalChainOptions & { readonly bare?: false }): Promise<LocalChain>;
export function startLocalChain(options: LocalChainOptions): Promise<BareLocalChain>;
export async function startLocalChain(options: LocalChainOptions = {}): Promise<BareLocalChain> {
  const { port = 0, blockTimeSeconds = 0, preconfirmMs = 0, takenBackShare = 0, bare = false } = options;
  requireRange("port", port, 65_535, true);
  requireRange("blockTimeSeconds", blockTimeSeconds, MAX_BLOCK_TIME_SECONDS, false);
  requirePreconfirmations(preconfirmMs, takenBackShare, blockTimeSeconds * 1000);

  const { chainId } = networks.baseSepolia;
  const accounts = TEST_ACCOUNTS;
  const plain = await openDevelopmentNode({
    chainId,
    privateKeys: accounts.map(({ privateKey }) => privateKey),
    balancePerAccountWei: BALANCE_PER_ACCOUNT_WEI,
    // What comes later must not change the place of what is preconfirmed.
    firstComeFirstServed: preconfirmMs > 0,
  });
  let node = onTime(plain);
  try {
    const genesis = await populate(plain.request, {
      accounts,
      usdcPerAccount: USDC_PER_ACCOUNT,
      fundedCount: ACCOUNTS_WITH_USDC,
      bare,
    });
    if (blockTimeSeconds > 0) {
      const blockTimeMs = Math.max(1, Math.round(blockTimeSeconds * 1000));
      await plain.request("evm_setAutomine", [false]);
      if (preconfirmMs === 0) await node.request("evm_setIntervalMining", [blockTimeMs]);
      else node = await preconfirming(plain, { blockTimeMs, preconfirmMs, takenBackShare, spared: FAUCET });
    }
    const { request, end } = untilEnded(presentable(node.request, blockTimeSeconds === 0));
    const server = await serveRpc(node, request, port);
    const send = sender(request);
    const stop = async (): Promise<void> => {
      end();
      await server.close();
      await node.close();
    };
    let stopping: Promise<void> | undefined;
    return {
      rpcUrl: `http://127.0.0.1:${server.port}`,
      webSocketUrl: `ws://127.0.0.1:${server.port}`,
      chainId,
      ...genesis,
      accounts,
      fund: (address, amount) => send({ from: FAUCET, to: genesis.usdc, data: mintCall(address, amount) }),
      sign: async (payer, terms) => signPayment(payer.privateKey, terms, await chainTime(request)),
      settle: (payments) => settleLocally(`http://127.0.0.1:${server.port}`, accounts, payments),
      now: () => chainTime(request),
      request,
      stop: () => {
        stopping ??= stop();
        return stopping;
      },
    };
  } catch (error) {
    await closeQuietly(node);
    throw error;
  }
}

/** A request function that `end` turns off, so that callers that still wait learn it at once. */
function untilEnded(request: Request): { request: Request; end: () => void } {
  let ended = false;
  return {
    request: async (method, params) => {
      if (ended) throw new LocalChainError("The local chain was stopped.");
      return request(method, params);
    },
    end: () => {
      ended = true;
    },
  };
}

function requirePreconfirmations(preconfirmMs: number, takenBackShare: number, blockTimeMs: number): void {
  requireRange("preconfirmMs", preconfirmMs, MAX_BLOCK_TIME_SECONDS * 1000, true);
  requireRange("takenBackShare", takenBackShare, 1, false);
  if (preconfirmMs > 0 && preconfirmMs >= blockTimeMs) {
    throw new LocalChainError("preconfirmMs must be smaller than the block time.", {
      details:
        blockTimeMs === 0 ? "Every transaction is mined at once." : `It is ${preconfirmMs} of ${blockTimeMs} ms.`,
      hint: "A chain with Flashblocks has a block every 2 seconds and preconfirms every 200 milliseconds.",
    });
  }
  if (takenBackShare > 0 && preconfirmMs === 0) {
    throw new LocalChainError("takenBackShare needs preconfirmations.", {
      hint: "Set preconfirmMs, 200 for example.",
    });
  }
}

function requireRange(name: string, value: number, maximum: number, whole: boolean): void {
  if (value >= 0 && value <= maximum && (!whole || Number.isInteger(value))) return;
  throw new LocalChainError(`${name} must be ${whole ? "a whole number " : ""}from 0 to ${maximum}.`, {
    details: `It is ${value}.`,
  });
}

async function closeQuietly(node: DevelopmentNode): Promise<void> {
  // The error that is being thrown says more than a failure to clean up after it.
  await node.close().catch(() => undefined);
}
