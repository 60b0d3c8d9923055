import { expect } from "chai";
import { encodeAbiParameters, encodeEventTopics, getAddress, type Log, pad, parseAbi } from "viem";
import { settlementRouterArtifact } from "../../../../src/contracts/SettlementRouter.ts";
import { readLoggedBatches, readLoggedSettlements } from "../../../../src/settlement/reports/inspectLogs.ts";

const ROUTER = "0x00000000000000000000000000000000000000aa";
const TOKEN = "0x00000000000000000000000000000000000000bb";
const PAYER = getAddress(pad("0xcc", { size: 20 }));
const PAYEE = getAddress(pad("0xdd", { size: 20 }));

const token = parseAbi([
  "event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)",
  "event Transfer(address indexed from, address indexed to, uint256 value)",
]);
type TestLog = Pick<Log, "address" | "topics" | "data" | "logIndex">;

const nonceOf = (number: number) => `0x${number.toString(16).padStart(64, "0")}` as const;

function log(address: `0x${string}`, topics: unknown, data: `0x${string}` = "0x"): TestLog {
  return { address, topics: topics as TestLog["topics"], data, logIndex: null };
}

function pair(nonce: number, value: bigint, options: { token?: `0x${string}`; from?: `0x${string}` } = {}): TestLog[] {
  const address = options.token ?? TOKEN;
  return [
    log(
      TOKEN,
      encodeEventTopics({
        abi: token,
        eventName: "AuthorizationUsed",
        args: { authorizer: PAYER, nonce: nonceOf(nonce) },
      }),
    ),
    log(
      address,
      encodeEventTopics({ abi: token, eventName: "Transfer", args: { from: options.from ?? PAYER, to: PAYEE } }),
      encodeAbiParameters([{ type: "uint256" }], [value]),
    ),
  ];
}

function failed(index: bigint, nonce: number): TestLog {
  const { abi } = settlementRouterArtifact;
  const args = { payer: PAYER, nonce: nonceOf(nonce) } as const;
  return log(
    ROUTER,
    encodeEventTopics({ abi, eventName: "AuthorizationFailed", args }),
    encodeAbiParameters([{ type: "uint256" }, { type: "bytes" }], [index, "0x"]),
  );
}

function end(batch: number, attempted: bigint, failures: bigint): TestLog {
  const { abi } = settlementRouterArtifact;
  const args = { caller: PAYEE, batchId: nonceOf(batch) } as const;
  return log(
    ROUTER,
    encodeEventTopics({ abi, eventName: "BatchSettled", args }),
    encodeAbiParameters([{ type: "uint256" }, { type: "uint256" }], [attempted, failures]),
  );
}

describe("readLoggedSettlements", () => {
  it("accepts a use with the transfer of the same payer and token right after it as proof, and nothing else", () => {
    const [use, transfer] = pair(1, 5n);
    expect(readLoggedSettlements([use!, transfer!])).to.deep.equal([
      { token: TOKEN, from: PAYER, to: PAYEE, value: 5n, nonce: nonceOf(1), logIndex: 1 },
    ]);
    expect(readLoggedSettlements([transfer!, use!])).to.deep.equal([]);
    expect(readLoggedSettlements([use!])).to.deep.equal([]);
    expect(readLoggedSettlements(pair(1, 5n, { token: ROUTER }))).to.deep.equal([]);
    expect(readLoggedSettlements(pair(1, 5n, { from: PAYEE }))).to.deep.equal([]);
  });
});

describe("readLoggedBatches", () => {
  it("tells two batches of one transaction apart", () => {
    const logs = [...pair(1, 5n), failed(1n, 2), ...pair(3, 7n), end(9, 3n, 1n), ...pair(4, 8n), end(8, 1n, 0n)];
    const [first, second] = readLoggedBatches(logs, ROUTER);
    expect(first).to.deep.include({ caller: PAYEE, batchId: nonceOf(9), attempted: 3 });
    expect(first?.settled.map(({ value }) => value)).to.deep.equal([5n, 7n]);
    expect(first?.failed.map(({ index, nonce, refusal }) => [index, nonce, refusal.reason])).to.deep.equal([
      [1, nonceOf(2), "gas-capped"],
    ]);
    expect(second).to.deep.include({ batchId: nonceOf(8), attempted: 1, failed: [] });
    expect(second?.settled.map(({ value }) => value)).to.deep.equal([8n]);
  });

  it("does not believe the events of another contract, nor what it cannot read", () => {
    const forged = { ...end(9, 3n, 1n), address: TOKEN } as const;
    const unreadable = log(ROUTER, [nonceOf(77)]);
    expect(readLoggedBatches([...pair(1, 5n), forged, unreadable], ROUTER)).to.deep.equal([]);
  });
});
