import { concatHex, type Hex, keccak256, numberToHex, parseTransaction } from "viem";
import { hexOf, type RpcAnswer } from "./rpc.ts";

type Ask = (method: string, params: readonly unknown[]) => Promise<RpcAnswer>;

/** A sequencer that says of a transaction that it is in the block being built, and then that it is not. */
export type Preconfirmer = {
  /** The receipt that it has for a transaction whose block is not there; undefined if it has none now. */
  readonly receiptOf: (hash: Hex, raw: Hex) => Promise<object | undefined>;
  /** How often an engine has looked at transactions whose block is not there. */
  readonly looks: () => number;
  /** Whether it made this receipt. */
  readonly isOwn: (receipt: unknown) => boolean;
};

/** It says it for so many looks, takes it back for so many, and then says it again. */
const [SHOWN, HIDDEN] = [2, 3];

export function createPreconfirmer({
  ask,
  sender,
  isActive,
}: {
  readonly ask: Ask;
  readonly sender: string;
  /** Otherwise it preconfirms nothing. */
  readonly isActive: () => boolean;
}): Preconfirmer {
  const own = new WeakSet<object>();
  const looks = new Map<Hex, number>();

  return {
    receiptOf: async (hash, raw) => {
      if (!isActive()) return undefined;
      const { nonce = 0, to, data, gas = 0n, type } = parseTransaction(raw);
      const count = await ask("eth_getTransactionCount", [sender, "latest"]);
      // Its block is there, or one that another transaction of the same nonce is in.
      if (Number(count.result) > nonce || type !== "eip1559") return undefined;
      const look = looks.get(hash) ?? 0;
      looks.set(hash, look + 1);
      if (look % (SHOWN + HIDDEN) >= SHOWN) return undefined;
      const head = await ask("eth_blockNumber", []);
      const call = { from: sender, to, input: data, gas: numberToHex(gas) };
      const built = await ask("eth_simulateV1", [{ blockStateCalls: [{ calls: [call] }] }, "latest"]);
      const [done] =
        (built.result as readonly { readonly calls: readonly Simulated[] }[] | undefined)?.[0]?.calls ?? [];
      if (done === undefined) return undefined;
      const blockNumber = Number(head.result) + 1;
      const where = {
        transactionHash: hash,
        transactionIndex: "0x0",
        blockNumber: hexOf(blockNumber),
        blockHash: keccak256(concatHex([hash, numberToHex(blockNumber)])),
      };
      const receipt = {
        ...where,
        ...{ from: sender, to, type: "0x2", status: done.status, contractAddress: null },
        ...{ gasUsed: done.gasUsed, cumulativeGasUsed: done.gasUsed, effectiveGasPrice: "0x3b9aca00" },
        logsBloom: numberToHex(0, { size: 256 }),
        logs: done.logs.map(({ address, topics, data: logData }, index) => {
          return { ...where, address, topics, data: logData, logIndex: hexOf(index), removed: false };
        }),
      };
      own.add(receipt);
      return receipt;
    },
    looks: () => [...looks.values()].reduce((sum, count) => sum + count, 0),
    isOwn: (receipt) => typeof receipt === "object" && receipt !== null && own.has(receipt),
  };
}

type Simulated = {
  readonly status: Hex;
  readonly gasUsed: Hex;
  readonly logs: readonly { readonly address: Hex; readonly topics: readonly Hex[]; readonly data: Hex }[];
};
