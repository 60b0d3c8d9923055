import {
  type Address,
  encodeFunctionData,
  encodeFunctionResult,
  type Hex,
  keccak256,
  numberToHex,
  pad,
  parseAbi,
  toFunctionSelector,
} from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { connectChain } from "../../src/chain/client.ts";
import { GAS_PRICE_ORACLE_ADDRESS } from "../../src/chain/fees/dataFee.ts";
import type { LinePayment } from "../../src/cli/input/input.ts";
import { mockUSDCArtifact } from "../../src/contracts/MockUSDC.ts";
import { ROUTER_ADDRESS } from "../../src/deployment.ts";
import { type LocalChainOptions, startLocalChain } from "../../src/local/index.ts";
import { sender } from "../../src/local/transaction.ts";
import { listen } from "./listen.ts";
import { post } from "./post.ts";

export type ChainLab = Awaited<ReturnType<typeof openChainLab>>;

/** ERC-1271 by somebody who signs anything: PUSH4 magic, left-align, return 32 bytes. */
export const ACCEPT_ALL: Hex = "0x631626ba7e60e01b60005260206000f3";

/** Runtime code that loops until its gas is gone. */
export const BURNING_CODE: Hex = "0x5b600056";

/** A local chain in process with a client, a funded sender, and helpers around payments. Close it with `chain.stop()`. */
export async function openChainLab(options: LocalChainOptions = {}) {
  const chain = await startLocalChain(options);
  const client = await connectChain(chain.rpcUrl, { pollingIntervalMs: 20 });
  const [first] = chain.accounts;
  if (first === undefined) throw new Error("accounts missing");
  const account = privateKeyToAccount(first.privateKey);
  const send = sender(chain.request);
  const { abi } = mockUSDCArtifact;

  return {
    chain,
    client,
    account,
    router: ROUTER_ADDRESS,
    keyOf: (index: number) => chain.accounts[index]!,
    /** Payments in turn by accounts 1 to 5 to one payee, 1000 units and more. */
    pay: async (count: number, to: Address, terms: { firstValue?: bigint } = {}): Promise<LinePayment[]> =>
      Promise.all(
        Array.from({ length: count }, async (_, index) => {
          const value = (terms.firstValue ?? 1000n) + BigInt(index);
          const authorization = await chain.sign(chain.accounts[1 + (index % 5)]!, { to, value });
          return { line: index + 1, authorization };
        }),
      ),
    /** A payer with USDC whose account has the given code. */
    payerWithCode: async (seed: number, code: Hex): Promise<PrivateKeyAccount & { privateKey: Hex }> => {
      const privateKey = keccak256(numberToHex(seed, { size: 32 }));
      const payer = privateKeyToAccount(privateKey);
      await chain.fund(payer.address, 1_000_000n);
      await chain.request("hardhat_setCode", [payer.address, code]);
      return { ...payer, privateKey };
    },
    balanceOf: (owner: Address) =>
      client.readContract({ address: chain.usdc, abi, functionName: "balanceOf", args: [owner] }),
    asOwner: (data: Hex) => send({ from: account.address, to: chain.usdc, data }),
    block: (payer: Address) =>
      send({
        from: account.address,
        to: chain.usdc,
        data: encodeFunctionData({ abi, functionName: "blacklist", args: [payer] }),
      }),
    transactionCount: () => client.getTransactionCount({ address: account.address }),
  };
}

/** An unused address, the same one for the same number. */
export function freshAddress(number: number): Address {
  return pad(numberToHex(0xfeed_0000 + number), { size: 20 });
}

/** One JSON-RPC request as a node sees it. */
export type NodeRequest = { readonly id: unknown; readonly method: string; readonly params: readonly unknown[] };

/**
 * What a faulty node does with a request: answers as the real one, with something else, with the real answer changed, not at
 * all, or hangs up.
 */
export type Fault =
  | "pass"
  | "hang"
  | "hang-up"
  | { readonly alter: (result: unknown) => unknown }
  | { readonly result: unknown }
  | { readonly error: object };

/** A node in front of another one, with this fault. */
export async function startFaultyNode(rpcUrl: string, fault: (request: NodeRequest) => Fault) {
  const { server, url } = await listen((incoming, response) => {
    const parts: Buffer[] = [];
    incoming.on("data", (part: Buffer) => parts.push(part));
    incoming.on("end", () => {
      void answer(JSON.parse(Buffer.concat(parts).toString()));
    });
    async function answer(body: NodeRequest | NodeRequest[]): Promise<void> {
      const requests = Array.isArray(body) ? body : [body];
      const answers: unknown[] = [];
      for (const request of requests) {
        const what = fault({ ...request, params: request.params ?? [] });
        if (what === "hang") return;
        if (what === "hang-up") {
          incoming.socket.destroy();
          return;
        }
        if (what === "pass" || "alter" in what) {
          const { text } = await post(rpcUrl, JSON.stringify({ jsonrpc: "2.0", ...request }));
          const said = JSON.parse(text) as { result?: unknown };
          answers.push(what === "pass" ? said : { ...said, result: what.alter(said.result) });
        } else answers.push({ jsonrpc: "2.0", id: request.id, ...what });
      }
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(Array.isArray(body) ? answers : answers[0]));
    }
  });
  return {
    rpcUrl: url,
    stop: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** A node in front of another one whose chain charges for data as Base does: an L1 base fee of 10 gwei, blobs next to free. */
export function startDataFeeNode(rpcUrl: string) {
  const abi = parseAbi(["function f() view returns (uint256)"]);
  const values = new Map<unknown, bigint>([
    [toFunctionSelector("l1BaseFee()"), 10_000_000_000n],
    [toFunctionSelector("blobBaseFee()"), 1n],
    [toFunctionSelector("baseFeeScalar()"), 2_269n],
    [toFunctionSelector("blobBaseFeeScalar()"), 1_055_762n],
  ]);
  const isOracle = (address: unknown) => String(address).toLowerCase() === GAS_PRICE_ORACLE_ADDRESS.toLowerCase();
  return startFaultyNode(rpcUrl, ({ method, params: [first] }) => {
    if (method === "eth_getCode" && isOracle(first)) return { result: "0x00" };
    if (method !== "eth_call" || typeof first !== "object" || first === null) return "pass";
    const { to, data }: { to?: unknown; data?: unknown } = first;
    if (!isOracle(to)) return "pass";
    return { result: encodeFunctionResult({ abi, result: values.get(data) ?? 0n }) };
  });
}
