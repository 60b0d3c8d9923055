import { type Abi, type Address, decodeEventLog, type Hex, isAddressEqual, type Log, parseAbi } from "viem";
import { settlementRouterArtifact } from "../../contracts/SettlementRouter.ts";
import { decodeRefusal, type Refusal } from "../../router/index.ts";

/**
 * A settlement that a token's logs prove: `AuthorizationUsed`, then at once a `Transfer` of the same payer.
 */
export type LoggedSettlement = {
  readonly token: Address;
  readonly from: Address;
  readonly to: Address;
  readonly value: bigint;
  readonly nonce: Hex;
  /** The index of the `Transfer` log. */
  readonly logIndex: number;
};

/** A batch of the router, read from its logs. */
export type LoggedBatch = {
  readonly caller: Address;
  readonly batchId: Hex;
  readonly attempted: number;
  readonly settled: readonly LoggedSettlement[];
  readonly failed: readonly {
    readonly index: number;
    readonly payer: Address;
    readonly nonce: Hex;
    readonly refusal: Refusal;
  }[];
};

type ReadableLog = Pick<Log, "address" | "topics" | "data" | "logIndex">;

const tokenEvents = parseAbi([
  "event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)",
  "event Transfer(address indexed from, address indexed to, uint256 value)",
]);

/** Every settlement that these logs prove, of any token, in the order of the logs. */
export function readLoggedSettlements(logs: readonly ReadableLog[]): LoggedSettlement[] {
  return logs.flatMap((log, at) => {
    const next = logs[at + 1];
    if (next === undefined || !isAddressEqual(log.address, next.address)) return [];
    const used = decode(log, tokenEvents);
    const moved = decode(next, tokenEvents);
    if (used?.eventName !== "AuthorizationUsed" || moved?.eventName !== "Transfer") return [];
    if (!isAddressEqual(used.args.authorizer, moved.args.from)) return [];
    const { from, to, value } = moved.args;
    return [{ token: log.address, from, to, value, nonce: used.args.nonce, logIndex: next.logIndex ?? at + 1 }];
  });
}

/** The batches of a router in one transaction's logs. The logs of a batch end with its `BatchSettled`. */
export function readLoggedBatches(logs: readonly ReadableLog[], router: Address): LoggedBatch[] {
  const batches: LoggedBatch[] = [];
  let since = 0;
  let failed: LoggedBatch["failed"][number][] = [];
  for (const [at, log] of logs.entries()) {
    if (!isAddressEqual(log.address, router)) continue;
    const event = decode(log, settlementRouterArtifact.abi);
    if (event === undefined) continue;
    if (event.eventName === "AuthorizationFailed") {
      const { index, payer, nonce, reason } = event.args;
      failed.push({ index: Number(index), payer, nonce, refusal: decodeRefusal(reason) });
      continue;
    }
    const { caller, batchId, attempted } = event.args;
    const settled = readLoggedSettlements(logs.slice(since, at));
    batches.push({ caller, batchId, attempted: Number(attempted), settled, failed });
    since = at + 1;
    failed = [];
  }
  return batches;
}

function decode<const Events extends Abi>(log: ReadableLog, abi: Events) {
  try {
    return decodeEventLog({ abi, topics: log.topics, data: log.data });
  } catch {
    return undefined;
  }
}
