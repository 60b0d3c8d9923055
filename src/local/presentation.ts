import type { Request } from "./node.ts";

/** The tip that a client should bid: about what Base asks. EDR by itself suggests a thousand times as much. */
const PRIORITY_FEE_WEI = 1_000_000n;

/** Position of the block tag among the parameters. */
const blockTagPosition: Readonly<Record<string, number>> = { eth_call: 1, eth_estimateGas: 1 };

/**
 * The node as clients should see it. Two answers differ from EDR's:
 *
 * - A chain that mines at once has no blocks while nobody sends, so its `latest` block falls behind the clock. A call
 *   against that block finds fresh authorizations not yet valid and expired ones valid. As long as transactions are
 *   mined at once, calls on `latest` therefore run on the block that would come next. The state is the same: nothing is
 *   pending.
 * - Suggested fees are those of Base.
 */
export function presentable(request: Request, minesAtOnce: boolean): Request {
  let automine = minesAtOnce;
  return async (method, params = []) => {
    switch (method) {
      case "evm_setAutomine": {
        const result = await request(method, params);
        automine = params[0] === true;
        return result;
      }
      case "eth_maxPriorityFeePerGas":
        return toQuantity(PRIORITY_FEE_WEI);
      case "eth_gasPrice":
        return toQuantity((await pendingBaseFee(request)) + PRIORITY_FEE_WEI);
    }
    const position = blockTagPosition[method];
    if (position === undefined || !automine || (params[position] ?? "latest") !== "latest")
      return request(method, params);
    return request(method, [...params.slice(0, position), "pending", ...params.slice(position + 1)]);
  };
}

/** The time of the next block in Unix seconds, by the chain's own clock. */
export async function chainTime(request: Request): Promise<bigint> {
  return readQuantity(await request("eth_getBlockByNumber", ["pending", false]), "timestamp");
}

async function pendingBaseFee(request: Request): Promise<bigint> {
  return readQuantity(await request("eth_getBlockByNumber", ["pending", false]), "baseFeePerGas");
}

function readQuantity(block: unknown, field: string): bigint {
  const value: unknown = typeof block === "object" && block !== null ? Reflect.get(block, field) : undefined;
  return typeof value === "string" ? BigInt(value) : 0n;
}

function toQuantity(value: bigint): string {
  return `0x${value.toString(16)}`;
}
