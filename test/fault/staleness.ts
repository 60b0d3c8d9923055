import { hexOf, type RpcAnswer } from "./rpc.ts";

type Ask = (method: string, params: readonly unknown[]) => Promise<RpcAnswer>;

/** Position of the block among the parameters. */
const BLOCK_AT: Readonly<Record<string, number>> = {
  eth_getTransactionCount: 1,
  eth_call: 1,
  eth_getCode: 1,
  eth_getBalance: 1,
  eth_getStorageAt: 2,
};

/** The answer of a node that has not seen the last `lag` blocks. Undefined for questions that do not depend on blocks. */
export async function answerStale(
  ask: Ask,
  method: string,
  params: readonly unknown[],
  lag: number,
): Promise<RpcAnswer | undefined> {
  const head = Number((await ask("eth_blockNumber", [])).result) - lag;
  if (head < 0) return undefined;
  const position = BLOCK_AT[method];
  if (position !== undefined) {
    const tag = params[position] ?? "latest";
    if (isNumber(tag)) return Number(tag) > head ? missing() : undefined;
    return ask(method, [...params.slice(0, position), hexOf(head), ...params.slice(position + 1)]);
  }
  switch (method) {
    case "eth_blockNumber":
      return { result: hexOf(head) };
    case "eth_getBlockByNumber": {
      const [tag, full] = params;
      if (isNumber(tag)) return Number(tag) > head ? { result: null } : undefined;
      const newest = await ask(method, [tag, false]);
      const number = Number(field(newest.result, "number") ?? 0) - (tag === "pending" ? lag + 1 : lag);
      return ask(method, [hexOf(Math.max(number, 0)), full]);
    }
    case "eth_getTransactionReceipt":
    case "eth_getTransactionByHash": {
      const answer = await ask(method, params);
      const number = field(answer.result, "blockNumber");
      return typeof number === "string" && Number(number) > head ? { result: null } : answer;
    }
    case "eth_getLogs": {
      const [filter] = params as readonly Readonly<Record<string, unknown>>[];
      const { fromBlock, toBlock } = filter ?? {};
      if (isNumber(fromBlock) && Number(fromBlock) > head) return { result: [] };
      const last = isNumber(toBlock) && Number(toBlock) < head ? toBlock : hexOf(head);
      return ask(method, [{ ...filter, toBlock: last }]);
    }
    default:
      return undefined;
  }
}

function isNumber(tag: unknown): tag is string {
  return typeof tag === "string" && tag.startsWith("0x");
}

function missing(): RpcAnswer {
  return { error: { code: -32000, message: "header not found" } };
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
