import type { Request } from "../node/port.ts";
import { quantity } from "./rpcTypes.ts";

/** What the chain's clock showed at a second of the machine's. */
export type ChainTime = { readonly timestamp: bigint; readonly machineSeconds: number };

/** Asking takes a few milliseconds, so that a second can end meanwhile, but hardly again and again. */
const TRIES = 5;

/** Reads the time that the next block would have, with the machine's second in which that was. */
export async function readChainTime(request: Request): Promise<ChainTime> {
  for (let tries = 1; ; tries += 1) {
    const machineSeconds = secondsNow();
    const timestamp = quantity(await request("eth_getBlockByNumber", ["pending", false]), "timestamp") ?? 0n;
    if (secondsNow() === machineSeconds || tries === TRIES) return { timestamp, machineSeconds };
  }
}

/** What the chain's clock shows at another second of the machine's. */
export function timeAt({ timestamp, machineSeconds }: ChainTime, seconds: number): bigint {
  return timestamp + BigInt(seconds - machineSeconds);
}

export function secondsNow(): number {
  return Math.floor(Date.now() / 1000);
}
