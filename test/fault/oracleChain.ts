// Reads a chain for the oracle. It shares no code with what it judges, not even a library for ABIs.

export type ChainTransfer = {
  readonly from: string;
  readonly to: string;
  readonly value: bigint;
  readonly transactionHash: string;
  readonly blockNumber: number;
  readonly blockHash: string;
  readonly logIndex: number;
};

/** How a nonce was spent on chain. A cancelled one has no transfer. */
export type ChainUse = {
  readonly cancelled: boolean;
  readonly transactionHash: string;
  readonly blockNumber: number;
  readonly transfer: ChainTransfer | undefined;
};

export type ChainTransaction = {
  readonly hash: string;
  readonly txNonce: number;
  readonly blockNumber: number;
  readonly succeeded: boolean;
  readonly gasUsed: bigint;
};

export type ChainFacts = {
  readonly head: number;
  readonly blocks: ReadonlyMap<number, { readonly hash: string; readonly timestamp: bigint }>;
  readonly transfers: readonly ChainTransfer[];
  /** By payer and nonce, `0x…:0x…` in lower case. */
  readonly uses: ReadonlyMap<string, ChainUse>;
  /** Payers and nonces that were used more than once. A correct token has none. */
  readonly usedTwice: readonly string[];
  readonly bySender: readonly ChainTransaction[];
  readonly txCount: number;
  readonly pendingTxCount: number;
  readonly balanceOf: (account: string) => Promise<bigint>;
};

const TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
const AUTHORIZATION_USED = "0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5";
const AUTHORIZATION_CANCELED = "0x1cdd46ff242716cdaa72d159d339a485b3438398348d68f09d7c8c0a59353d81";
const BALANCE_OF = "0x70a08231";

type Log = {
  readonly topics: readonly string[];
  readonly data: string;
  readonly transactionHash: string;
  readonly blockNumber: string;
  readonly blockHash: string;
  readonly logIndex: string;
};

type Block = {
  readonly hash: string;
  readonly timestamp: string;
  readonly transactions: readonly { readonly hash: string; readonly from: string; readonly nonce: string }[];
};

type Ask = <T>(method: string, params: readonly unknown[]) => Promise<T>;

/** Reads everything that concerns `token` and `sender` from block `from` to the newest. */
export async function readChain(
  url: string,
  { token, sender, from }: { readonly token: string; readonly sender: string; readonly from: number },
): Promise<ChainFacts> {
  const ask = asking(url);
  const head = Number(await ask<string>("eth_blockNumber", []));
  const logs = await ask<readonly Log[]>("eth_getLogs", [{ address: token, fromBlock: hex(from), toBlock: hex(head) }]);

  const transfers = logs.filter(({ topics }) => topics[0] === TRANSFER).map(transferOf);
  const uses = new Map<string, ChainUse>();
  const usedTwice: string[] = [];
  for (const log of logs) {
    const [topic, authorizer, nonce] = log.topics;
    if (topic !== AUTHORIZATION_USED && topic !== AUTHORIZATION_CANCELED) continue;
    const key = `${account(authorizer)}:${nonce}`;
    if (uses.has(key)) usedTwice.push(key);
    const { transactionHash } = log;
    const blockNumber = Number(log.blockNumber);
    const next = transfers.find(
      (transfer) => transfer.blockNumber === blockNumber && transfer.logIndex === Number(log.logIndex) + 1,
    );
    const cancelled = topic === AUTHORIZATION_CANCELED;
    uses.set(key, { cancelled, transactionHash, blockNumber, transfer: cancelled ? undefined : next });
  }

  const blocks = new Map<number, { hash: string; timestamp: bigint }>();
  const bySender: ChainTransaction[] = [];
  for (let number = from; number <= head; number += 1) {
    const block = await ask<Block>("eth_getBlockByNumber", [hex(number), true]);
    blocks.set(number, { hash: block.hash, timestamp: BigInt(block.timestamp) });
    for (const transaction of block.transactions) {
      if (transaction.from.toLowerCase() !== sender.toLowerCase()) continue;
      const { hash, nonce } = transaction;
      const receipt = await ask<{ status: string; gasUsed: string }>("eth_getTransactionReceipt", [hash]);
      const gasUsed = BigInt(receipt.gasUsed);
      const succeeded = receipt.status === "0x1";
      bySender.push({ hash, txNonce: Number(nonce), blockNumber: number, succeeded, gasUsed });
    }
  }
  const count = async (tag: string) => Number(await ask<string>("eth_getTransactionCount", [sender, tag]));
  return {
    head,
    blocks,
    transfers,
    uses,
    usedTwice,
    bySender,
    txCount: await count("latest"),
    pendingTxCount: await count("pending"),
    balanceOf: async (owner) => {
      const data = `${BALANCE_OF}${owner.slice(2).toLowerCase().padStart(64, "0")}`;
      return BigInt(await ask<string>("eth_call", [{ to: token, data }, "latest"]));
    },
  };
}

function transferOf(log: Log): ChainTransfer {
  const [, from, to] = log.topics;
  const { data, transactionHash, blockNumber, blockHash, logIndex } = log;
  const place = { transactionHash, blockNumber: Number(blockNumber), blockHash, logIndex: Number(logIndex) };
  return { from: account(from), to: account(to), value: BigInt(data), ...place };
}

function account(topic: string | undefined): string {
  return `0x${(topic ?? "").slice(-40)}`;
}

function hex(number: number): string {
  return `0x${number.toString(16)}`;
}

function asking(url: string): Ask {
  return async (method, params) => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
    const answer = (await response.json()) as { result: never; error?: { message: string } };
    if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result;
  };
}
