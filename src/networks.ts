import { type Address, isAddressEqual } from "viem";
import { TributaryError } from "./errors.ts";

/** The most to offer per gas, in wei: the whole fee, and the part of it that goes to the block's producer. */
export type FeeCeilings = { readonly maxFeeWei: bigint; readonly maxTipWei: bigint };

/**
 * The parts of a token's EIP-712 domain that its address and chain do not give. Neither may be empty: viem would leave
 * an empty one out of the domain's type, and so compute another hash than the token.
 */
export type TokenDomain = { readonly name: string; readonly version: string };

/** An EVM chain with Circle's native USDC, under every name that x402 has for it. */
export type Network = {
  readonly chainId: number;
  /** The x402 v2 name (CAIP-2). */
  readonly caip2: `eip155:${number}`;
  /** The x402 v1 name, e.g. `base-sepolia`; undefined if v1 has none. */
  readonly v1Name: string | undefined;
  /** The name in this project's configuration, e.g. `baseSepolia`. */
  readonly key: string;
  /** The name for people. */
  readonly title: string;
  /** `name` and `version` are those of the token's EIP-712 domain. They differ from chain to chain. */
  readonly usdc: TokenDomain & { readonly address: Address; readonly decimals: 6 };
  /** Whether transactions also pay an OP-stack data fee. */
  readonly opStack: boolean;
  /** The most to offer per gas unless an operator says otherwise, in wei: many times what is usual there. */
  readonly feeCeilings: FeeCeilings;
  /** The block explorer, without a path; undefined if none is known. */
  readonly explorerUrl: string | undefined;
  /** Whether its ether and USDC are given away for free. */
  readonly isTestnet: boolean;
};

const circle = <Name extends "USDC" | "USD Coin">(name: Name, address: Address) =>
  ({ address, name, version: "2", decimals: 6 }) as const;

const GWEI = 1_000_000_000n;
const gwei = (maxFee: bigint, maxTip: bigint): FeeCeilings => ({ maxFeeWei: maxFee * GWEI, maxTipWei: maxTip * GWEI });

/** Ceilings on an unknown chain. */
const UNKNOWN_CEILINGS = gwei(100n, 3n);

/**
 * The known networks by key. Addresses are from Circle, "USDC contract addresses". Names are the tokens' `name()`,
 * which x402's own tables repeat. Bridged tokens are left out on purpose: several of them do not implement EIP-3009.
 */
export const networks = {
  base: {
    chainId: 8453,
    caip2: "eip155:8453",
    v1Name: "base",
    key: "base",
    title: "Base",
    usdc: circle("USD Coin", "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"),
    opStack: true,
    // Base fee 0.005 to 0.1 gwei, tip 0.001 gwei; its operator suggests 1,000,000 wei.
    feeCeilings: gwei(5n, 1n),
    explorerUrl: "https://basescan.org",
    isTestnet: false,
  },
  baseSepolia: {
    chainId: 84532,
    caip2: "eip155:84532",
    v1Name: "base-sepolia",
    key: "baseSepolia",
    title: "Base Sepolia",
    usdc: circle("USDC", "0x036CbD53842c5426634e7929541eC2318f3dCF7e"),
    opStack: true,
    feeCeilings: gwei(5n, 1n),
    explorerUrl: "https://sepolia.basescan.org",
    isTestnet: true,
  },
  avalanche: {
    chainId: 43114,
    caip2: "eip155:43114",
    v1Name: "avalanche",
    key: "avalanche",
    title: "Avalanche",
    usdc: circle("USD Coin", "0xB97EF9Ef8734C71904D8002F8b6Bc66Dd9c48a6E"),
    opStack: false,
    // The base fee was at least 25 nAVAX before ACP-125, 1 nAVAX after it.
    feeCeilings: gwei(200n, 10n),
    explorerUrl: "https://snowtrace.io",
    isTestnet: false,
  },
  avalancheFuji: {
    chainId: 43113,
    caip2: "eip155:43113",
    v1Name: "avalanche-fuji",
    key: "avalancheFuji",
    title: "Avalanche Fuji",
    usdc: circle("USD Coin", "0x5425890298aed601595a70AB815c96711a31Bc65"),
    opStack: false,
    feeCeilings: gwei(200n, 10n),
    explorerUrl: "https://testnet.snowtrace.io",
    isTestnet: true,
  },
  polygon: {
    chainId: 137,
    caip2: "eip155:137",
    v1Name: "polygon",
    key: "polygon",
    title: "Polygon",
    usdc: circle("USD Coin", "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359"),
    opStack: false,
    // Its nodes accept no tip below 25 gwei (30 in older versions).
    feeCeilings: gwei(1_000n, 200n),
    explorerUrl: "https://polygonscan.com",
    isTestnet: false,
  },
  polygonAmoy: {
    chainId: 80002,
    caip2: "eip155:80002",
    v1Name: "polygon-amoy",
    key: "polygonAmoy",
    title: "Polygon Amoy",
    usdc: circle("USDC", "0x41E94Eb019C0762f9Bfcf9Fb1E58725BfB0e7582"),
    opStack: false,
    feeCeilings: gwei(1_000n, 200n),
    explorerUrl: "https://amoy.polygonscan.com",
    isTestnet: true,
  },
  arbitrum: {
    chainId: 42161,
    caip2: "eip155:42161",
    v1Name: undefined,
    key: "arbitrum",
    title: "Arbitrum One",
    usdc: circle("USD Coin", "0xaf88d065e77c8cC2239327C5EDb3A432268e5831"),
    opStack: false,
    // Base fee from 0.01 gwei up. Its sequencer takes no tip.
    feeCeilings: gwei(5n, 1n),
    explorerUrl: "https://arbiscan.io",
    isTestnet: false,
  },
  sei: {
    chainId: 1329,
    caip2: "eip155:1329",
    v1Name: "sei",
    key: "sei",
    title: "Sei",
    usdc: circle("USDC", "0xe15fC38F6D8c56aF07bbCBe3BAf5708A2Bf42392"),
    opStack: false,
    feeCeilings: gwei(200n, 50n),
    explorerUrl: "https://seiscan.io",
    isTestnet: false,
  },
} as const satisfies Record<string, Network>;

/** No known network has this name or chain id. */
export class UnknownNetworkError extends TributaryError {
  override readonly name = "UnknownNetworkError";

  constructor(asked: string) {
    const known = Object.values(networks).map((network) => `${network.v1Name ?? network.key} (${network.caip2})`);
    super(`Unknown network ${asked}.`, { hint: `Known networks: ${known.join(", ")}.` });
  }
}

/**
 * The network called `text`: CAIP-2 (`eip155:84532`), chain id (`84532`), x402 v1 name (`base-sepolia`) or key
 * (`baseSepolia`).
 *
 * @throws UnknownNetworkError, listing the known ones.
 */
export function findNetwork(text: string): Network {
  for (const network of Object.values(networks)) {
    if (isCalled(network, text)) return network;
  }
  throw new UnknownNetworkError(quoteName(text));
}

/** The known network with this chain id; undefined for every other chain. */
export function networkOf(chainId: number): Network | undefined {
  return Object.values(networks).find((network) => network.chainId === chainId);
}

/** The most to offer per gas on this chain, unless an operator says otherwise. */
export function feeCeilingsOf(chainId: number): FeeCeilings {
  return networkOf(chainId)?.feeCeilings ?? UNKNOWN_CEILINGS;
}

/** The default chain ids of development nodes. */
const DEVELOPMENT_CHAIN_IDS: readonly number[] = [1337, 31337];

/** Whether nothing on this chain has a price: it is a known testnet, or has the usual id of a development node. */
export function isTestChain(chainId: number): boolean {
  return networkOf(chainId)?.isTestnet ?? DEVELOPMENT_CHAIN_IDS.includes(chainId);
}

/** Whether `text` is one of the names that {@link findNetwork} would find `network` by. */
export function isCalled(network: Network, text: string): boolean {
  return text === network.caip2 || text === String(network.chainId) || text === network.v1Name || text === network.key;
}

/** The EIP-712 domain of `token` if it is a known network's USDC; undefined for every other token. */
export function knownTokenDomain(chainId: number, token: Address): TokenDomain | undefined {
  for (const { chainId: knownChainId, usdc } of Object.values(networks)) {
    if (knownChainId === chainId && isAddressEqual(usdc.address, token))
      return { name: usdc.name, version: usdc.version };
  }
  return undefined;
}

function quoteName(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
