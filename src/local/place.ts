import { setTimeout as sleep } from "node:timers/promises";
import { type Address, getAddress, hexToNumber, isAddress, isHex } from "viem";
import type { AuthorizationSigner } from "../authorization/sign.ts";
import type { SignedAuthorization } from "../authorization/types.ts";
import { BATCH_SETTLEMENT_ADDRESS, ERC3009_DEPOSIT_COLLECTOR_ADDRESS } from "../channels/index.ts";
import { fiatProxyArtifact } from "../contracts/FiatProxy.ts";
import { mockBatchSettlementArtifact } from "../contracts/MockBatchSettlement.ts";
import { mockDepositCollectorArtifact } from "../contracts/MockDepositCollector.ts";
import { ROUTER_ADDRESS } from "../deployment.ts";
import { LocalChainError } from "./errors.ts";
import { FAUCET, mintCall, populate, USDC_ADDRESS } from "./genesis.ts";
import type { Request } from "./node.ts";
import { type PaymentTerms, signTerms } from "./payments.ts";
import { chainTime } from "./presentation.ts";
import { sender } from "./transaction.ts";

const POLL_MILLISECONDS = 20;

/** The contracts that a fork may have in their genuine form. The double would not understand their storage. */
const PLACED = [
  ["USDC's", USDC_ADDRESS, fiatProxyArtifact],
  ["the channel contract's", BATCH_SETTLEMENT_ADDRESS, mockBatchSettlementArtifact],
  ["the deposit collector's", ERC3009_DEPOSIT_COLLECTOR_ADDRESS, mockDepositCollectorArtifact],
] as const;

/** A development node's EIP-1193 provider: `provider` of a Hardhat connection, or any other that knows `hardhat_setCode`. */
export type DevelopmentProvider = {
  /** One JSON-RPC call (EIP-1193). */
  readonly request: (call: { readonly method: string; readonly params?: readonly unknown[] }) => Promise<unknown>;
};

/** What a payment needs, on a development chain of yours. Every amount is in atomic units. */
export type PlacedContracts = {
  readonly chainId: number;
  /**
   * Test USDC behind its proxy, at the address of Base Sepolia's. The chain's first account owns it and may mint it.
   */
  readonly usdc: Address;
  /** The settlement router, at its usual address. */
  readonly router: Address;
  /**
   * A double of x402's channel contract (scheme `batch-settlement`). The double of its ERC-3009 collector is there,
   * too.
   */
  readonly batchSettlement: Address;
  readonly multicall3: Address;
  /** Undefined if the package that brings it (`@nomicfoundation/ignition-core`) is not installed. */
  readonly createX: Address | undefined;
  /** Mints `amount` of USDC to `address`, in a transaction that none of your accounts sends. */
  readonly fund: (address: Address, amount: bigint) => Promise<void>;
  /** Signs a payment for this chain by an account or a viem wallet client. Times count from the chain's clock. */
  readonly sign: (payer: AuthorizationSigner, terms: PaymentTerms) => Promise<SignedAuthorization>;
};

/**
 * Places the router, test USDC and x402's channel contracts on a development chain of yours, and the other contracts
 * that the local chain has. The code is set, not deployed, and nothing is compiled. A few transactions of the chain's
 * first account set the token up; they are mined at once, however else the chain mines. If the chain has all of it
 * already, nothing is sent. What an interrupted call left half done is completed.
 *
 * @throws LocalChainError if the chain is no development chain, has no account to send from, or has other code at the
 * address of USDC or of the channel contracts, as a fork has.
 */
export async function placeContracts(provider: DevelopmentProvider): Promise<PlacedContracts> {
  const request = minedAtOnce((method, params = []) => provider.request({ method, params: [...params] }));
  const chainId = await readChainId(request);
  await requireDevelopmentChain(request);
  for (const [what, address, { deployedBytecode }] of PLACED) {
    const present = await request("eth_getCode", [address, "latest"]);
    if (present === "0x" || present === deployedBytecode) continue;
    throw new LocalChainError(`The chain has other code at ${what} address, ${address}.`, {
      hint: "A fork of Base or Base Sepolia has the genuine contracts. Place these on a chain that is not a fork of it.",
    });
  }
  const owner = await firstAccount(request);
  const genesis = await populate(request, {
    accounts: [{ address: owner }],
    usdcPerAccount: 0n,
    fundedCount: 0,
    bare: false,
  });
  const send = sender(request);
  return {
    chainId,
    ...genesis,
    router: ROUTER_ADDRESS,
    fund: (address, amount) => send({ from: FAUCET, to: genesis.usdc, data: mintCall(address, amount) }),
    sign: async (payer, terms) => signTerms(payer, terms, { chainId, nowSeconds: await chainTime(request) }),
  };
}

/** Makes requests that answer a transaction once it is in a block, even on a chain that does not mine by itself. */
function minedAtOnce(request: Request): Request {
  return async (method, params) => {
    const result = await request(method, params);
    if (method !== "eth_sendTransaction" && method !== "eth_sendRawTransaction") return result;
    if ((await request("hardhat_getAutomine")) === false) await request("evm_mine");
    while ((await request("eth_getTransactionReceipt", [result])) === null) await sleep(POLL_MILLISECONDS);
    return result;
  };
}

async function readChainId(request: Request): Promise<number> {
  const chainId = await request("eth_chainId");
  if (!isHex(chainId)) throw new LocalChainError("The provider gave no chain id.");
  return hexToNumber(chainId);
}

/** Called before anything is changed. */
async function requireDevelopmentChain(request: Request): Promise<void> {
  try {
    await request("hardhat_impersonateAccount", [FAUCET]);
  } catch (cause) {
    throw new LocalChainError("The chain is not a development chain: it does not take hardhat_impersonateAccount.", {
      details: cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause),
      hint: "Give the provider of Hardhat's simulated network, or of a connection to hardhat node or anvil.",
      cause,
    });
  }
}

async function firstAccount(request: Request): Promise<Address> {
  const accounts = await request("eth_accounts");
  const first: unknown = Array.isArray(accounts) ? accounts[0] : undefined;
  if (typeof first === "string" && isAddress(first, { strict: false })) return getAddress(first);
  throw new LocalChainError("The chain has no account to send from.", {
    hint: "Give its network accounts: Hardhat's simulated chain has twenty unless its configuration says otherwise.",
  });
}
