import {
  type Address,
  concat,
  encodeFunctionData,
  getAddress,
  type Hex,
  isHex,
  maxUint256,
  pad,
  stringToHex,
} from "viem";
import { MULTICALL3_ADDRESS } from "../chain/multicall3.ts";
import { BATCH_SETTLEMENT_ADDRESS, ERC3009_DEPOSIT_COLLECTOR_ADDRESS } from "../channels/index.ts";
import { fiatProxyArtifact } from "../contracts/FiatProxy.ts";
import { mockBatchSettlementArtifact } from "../contracts/MockBatchSettlement.ts";
import { mockDepositCollectorArtifact } from "../contracts/MockDepositCollector.ts";
import { mockUSDCArtifact } from "../contracts/MockUSDC.ts";
import { settlementRouterArtifact } from "../contracts/SettlementRouter.ts";
import { CREATE_X_ADDRESS, ROUTER_ADDRESS } from "../deployment.ts";
import { networks } from "../networks.ts";
import type { LocalChainAccount } from "./accounts.ts";
import { createXTransaction, genuineMulticall3Code, multicall3CreationCode } from "./bytecode.ts";
import { LocalChainError } from "./errors.ts";
import type { Request } from "./node.ts";
import { type Send, sender } from "./transaction.ts";

export const USDC_ADDRESS = networks.baseSepolia.usdc.address;

/** Addresses without a key. Only the chain's own process acts for them. */
const USDC_IMPLEMENTATION = labelAddress("tributary:usdc:impl1");
const PROXY_ADMIN = labelAddress("tributary:usdc:admin");
export const FAUCET = labelAddress("tributary:usdc:tap01");

/** ERC-1967, sections "Logic contract address" and "Admin address". */
const IMPLEMENTATION_SLOT = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc";
const ADMIN_SLOT = "0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103";

/** The address that sends the presigned transaction of CreateX, and its gas limit × gas price. */
const CREATE_X_DEPLOYER: Address = "0xeD456e05CaAb11d66C4c797dD6c1D6f9A7F352b5";
const CREATE_X_COST_WEI = 300_000_000_000_000_000n;

export type Genesis = {
  readonly usdc: Address;
  readonly multicall3: Address;
  readonly createX: Address | undefined;
  readonly batchSettlement: Address;
  readonly router: Address | undefined;
};

export type GenesisOptions = {
  /** The first of them owns the token. */
  readonly accounts: readonly Pick<LocalChainAccount, "address">[];
  /** Atomic units of USDC for each of the first `fundedCount` accounts. */
  readonly usdcPerAccount: bigint;
  readonly fundedCount: number;
  /** Leaves the router out. */
  readonly bare: boolean;
};

/**
 * Places everything that Base Sepolia has and a payment needs. The chain must mine at once meanwhile. What is already
 * there is left alone, and what an interrupted run began is completed.
 */
export async function populate(request: Request, options: GenesisOptions): Promise<Genesis> {
  const send = sender(request);
  // The account that stands in for a faucet. It keeps no state on the chain but its ether.
  await request("hardhat_setBalance", [FAUCET, toQuantity(10n ** 24n)]);
  await request("hardhat_impersonateAccount", [FAUCET]);
  await installMulticall3(request);
  const createX = await installCreateX(request);
  await installUsdc(request, send, options);
  await installChannels(request);
  if (!options.bare) {
    await request("hardhat_setCode", [ROUTER_ADDRESS, settlementRouterArtifact.deployedBytecode]);
  }
  return {
    usdc: USDC_ADDRESS,
    multicall3: MULTICALL3_ADDRESS,
    createX,
    batchSettlement: BATCH_SETTLEMENT_ADDRESS,
    router: options.bare ? undefined : ROUTER_ADDRESS,
  };
}

async function installMulticall3(request: Request): Promise<void> {
  if (await hasCode(request, MULTICALL3_ADDRESS)) return;
  const runtime =
    genuineMulticall3Code() ??
    // Without `to`, a call runs creation code and returns the runtime code.
    (await request("eth_call", [{ data: multicall3CreationCode() }, "latest"]));
  await request("hardhat_setCode", [MULTICALL3_ADDRESS, runtime]);
}

/** Replays CreateX's own deployment transaction. Its code cannot be copied, because it holds its own address. */
async function installCreateX(request: Request): Promise<Address | undefined> {
  const transaction = await createXTransaction();
  if (transaction === undefined) return undefined;
  if (await hasCode(request, CREATE_X_ADDRESS)) return CREATE_X_ADDRESS;
  await request("hardhat_setBalance", [CREATE_X_DEPLOYER, toQuantity(CREATE_X_COST_WEI)]);
  try {
    await request("eth_sendRawTransaction", [transaction]);
  } catch (error) {
    // The transaction's txNonce is used up if somebody else was first.
    if (!(await hasCode(request, CREATE_X_ADDRESS))) throw error;
  }
  if (!(await hasCode(request, CREATE_X_ADDRESS)))
    throw new LocalChainError("CreateX did not come out at its address.");
  return CREATE_X_ADDRESS;
}

async function hasCode(request: Request, address: Address): Promise<boolean> {
  const code = await request("eth_getCode", [address, "latest"]);
  return isHex(code) && code !== "0x";
}

async function installUsdc(request: Request, send: Send, options: GenesisOptions): Promise<void> {
  const { accounts, fundedCount, usdcPerAccount } = options;
  const [owner] = accounts;
  if (owner === undefined) throw new LocalChainError("A local chain needs at least one account.");
  // Minting rights are the last step of the setup. The code alone proves nothing: an earlier run may have ended before
  // that step, or another may be at it now.
  if (await isMinter(request, FAUCET)) return;
  await request("hardhat_setCode", [USDC_IMPLEMENTATION, mockUSDCArtifact.deployedBytecode]);
  await request("hardhat_setCode", [USDC_ADDRESS, fiatProxyArtifact.deployedBytecode]);
  await request("hardhat_setStorageAt", [USDC_ADDRESS, IMPLEMENTATION_SLOT, pad(USDC_IMPLEMENTATION)]);
  // The admin is never the zero address: calls without `from` come from there, and the proxy turns its admin away.
  await request("hardhat_setStorageAt", [USDC_ADDRESS, ADMIN_SLOT, pad(PROXY_ADMIN)]);

  const { abi } = mockUSDCArtifact;
  const asOwner = (data: Hex): Promise<void> => send({ from: owner.address, to: USDC_ADDRESS, data });
  await initializeUsdc(request, asOwner, owner.address);
  for (const minter of [owner.address, FAUCET]) {
    await asOwner(encodeFunctionData({ abi, functionName: "configureMinter", args: [minter, maxUint256] }));
  }
  for (const { address } of accounts.slice(0, fundedCount)) {
    await send({ from: FAUCET, to: USDC_ADDRESS, data: mintCall(address, usdcPerAccount) });
  }
}

/** Initializes the token, which refuses a second time. That refusal is all right if somebody else was first. */
async function initializeUsdc(request: Request, asOwner: (data: Hex) => Promise<void>, owner: Address): Promise<void> {
  const { abi } = mockUSDCArtifact;
  const isInitialized = async (): Promise<boolean> => {
    const data = encodeFunctionData({ abi, functionName: "owner" });
    const found = await request("eth_call", [{ to: USDC_ADDRESS, data }, "latest"]);
    return isHex(found) && found !== "0x" && BigInt(found) !== 0n;
  };
  if (await isInitialized()) return;
  const { name } = networks.baseSepolia.usdc;
  const args = [name, "USDC", "USD", 6, owner, owner, owner, owner] as const;
  try {
    await asOwner(encodeFunctionData({ abi, functionName: "initialize", args }));
  } catch (error) {
    if (!(await isInitialized())) throw error;
  }
}

/** False if there is no token yet. */
async function isMinter(request: Request, account: Address): Promise<boolean> {
  const data = encodeFunctionData({ abi: mockUSDCArtifact.abi, functionName: "isMinter", args: [account] });
  const found = await request("eth_call", [{ to: USDC_ADDRESS, data }, "latest"]);
  return isHex(found) && found !== "0x" && BigInt(found) === 1n;
}

/**
 * Places doubles of x402's channel contracts. Their code does not hold its own address, so it can be placed as it is.
 */
async function installChannels(request: Request): Promise<void> {
  await request("hardhat_setCode", [BATCH_SETTLEMENT_ADDRESS, mockBatchSettlementArtifact.deployedBytecode]);
  await request("hardhat_setCode", [ERC3009_DEPOSIT_COLLECTOR_ADDRESS, mockDepositCollectorArtifact.deployedBytecode]);
}

/** Calldata that mints `amount` atomic units to `to`. */
export function mintCall(to: Address, amount: bigint): Hex {
  return encodeFunctionData({ abi: mockUSDCArtifact.abi, functionName: "mint", args: [to, amount] });
}

function labelAddress(label: string): Address {
  return getAddress(pad(concat([stringToHex(label)]), { size: 20 }));
}

function toQuantity(value: bigint): Hex {
  return `0x${value.toString(16)}`;
}
