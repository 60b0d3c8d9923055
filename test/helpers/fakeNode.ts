import { createPublicClient, custom, defineChain } from "viem";
import type { ChainClient } from "../../src/chain/client.ts";
import { networks } from "../../src/networks.ts";

const TOKEN = networks.baseSepolia.usdc.address.toLowerCase();

/** A node without a chain: only USDC has code, and calls succeed unless a test says otherwise. */
export type FakeNode = {
  readonly client: ChainClient;
  /** `reverts`: every eth_call does; `down`: nothing is answered. */
  mood: "well" | "reverts" | "down";
  /** Methods that it was asked, in order. */
  readonly asked: readonly string[];
};

export function createFakeNode(): FakeNode {
  const asked: string[] = [];
  const request = async ({
    method,
    params,
  }: {
    readonly method: string;
    readonly params?: readonly unknown[];
  }): Promise<unknown> => {
    asked.push(method);
    if (node.mood === "down") throw new Error("connection refused");
    if (method === "eth_chainId") return `0x${networks.baseSepolia.chainId.toString(16)}`;
    if (method === "eth_getCode") return String(params?.[0]).toLowerCase() === TOKEN ? "0xfe" : "0x";
    if (method !== "eth_call") throw new Error(`${method} is not expected`);
    if (node.mood === "reverts") throw Object.assign(new Error("execution reverted"), { code: 3, data: "0x" });
    return "0x";
  };
  const client = createPublicClient({
    chain: defineChain({
      id: networks.baseSepolia.chainId,
      name: "none",
      nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
      rpcUrls: { default: { http: ["http://127.0.0.1:1"] } },
    }),
    transport: custom({ request }, { retryCount: 0 }),
  });
  const node: FakeNode = { client, mood: "well", asked };
  return node;
}
