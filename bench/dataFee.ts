// The data fee of an OP-stack chain, on one in process whose L1Block sets the price of data: bytes after compression and money
// per payment, and Tributary's prediction for a settlement against what it is charged.
import { type Address, type Hex, isHex, numberToHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { encodeTransfer } from "../src/authorization/encode.ts";
import type { SignedAuthorization } from "../src/authorization/types.ts";
import { type ChainClient, connectChain } from "../src/chain/client.ts";
import { type DataFeeInputs, estimateDataSize } from "../src/fees/index.ts";
import { encodeSettle } from "../src/router/index.ts";
import { quoteSettlement } from "../src/settlement/index.ts";
import { settlePayments } from "../src/settlement/job/job.ts";
import { type OpChain, openOpChain } from "./lib/opChain.ts";
import { openMint } from "./lib/payments.ts";
import { bytesFor } from "./lib/random.ts";
import { atMost, round, type Subject } from "./lib/results.ts";
import { setBalances } from "./lib/token.ts";
import { encodeMulticall, WAY } from "./lib/ways.ts";

const SIZES = [1, 10, 50, 100, 200, 300] as const;
const MOST = 300;

/** Base's scalars. The prices of L1 gas and blobs are invented, from a quiet day to a busy one. */
const SCALARS = { baseFeeScalar: 2_269n, blobBaseFeeScalar: 1_055_762n } as const;
export const LEVELS: readonly { readonly name: string; readonly inputs: DataFeeInputs }[] = [
  { name: "quiet", inputs: { ...SCALARS, l1BaseFee: 50_000_000n, blobBaseFee: 1n } },
  { name: "usual", inputs: { ...SCALARS, l1BaseFee: 1_000_000_000n, blobBaseFee: 10_000_000n } },
  { name: "busy", inputs: { ...SCALARS, l1BaseFee: 30_000_000_000n, blobBaseFee: 5_000_000_000n } },
];

/**
 * The part of a payment that cannot be compressed: payer, nonce, r and s are random, the value has two bytes. FastLZ writes one
 * more byte for each 32 literals, and the chain counts 0.8365 of a compressed byte.
 */
const NOISE_BYTES = 20 + 32 + 64 + 2;
const FLOOR_DATA_BYTES = round((NOISE_BYTES * 33 * 0.8365) / 32);

export const dataFee: Subject = {
  name: "dataFee",
  title: "Data fee on an OP-stack chain",
  run: async ({ seed, tell }) => {
    const chain = await openOpChain();
    try {
      const client = await connectChain(chain.rpcUrl, { pollingIntervalMs: 20 });
      const shape = { count: MOST, payers: MOST, payees: 1 };
      const mint = openMint(seed, "data fee");
      await setBalances(chain.request, mint.parties(shape), 10n ** 12n);
      const payments = mint.payments(shape);
      const figures: Record<string, number> = {};

      tell("sizes and fees");
      const rows: (string | number)[][] = [];
      for (const count of SIZES) {
        for (const [way, calls] of waysOf(chain, payments.slice(0, count), seed)) {
          const sent = await charge(chain, client, calls);
          const carried = way === WAY.single ? calls.length : count;
          const dataBytes = sent.dataBytes / carried;
          figures[`data bytes ${count} ${way}`] = round(dataBytes);
          const fees = LEVELS.map(({ name }) => {
            const gwei = Number(sent.feesWei.get(name) ?? 0n) / carried / 1e9;
            figures[`data fee ${name} ${count} ${way}`] = gwei;
            return round(gwei);
          });
          rows.push([count, way, Math.round(sent.signedBytes / carried), round(dataBytes), ...fees]);
        }
      }
      tell("predicted and charged");
      const predicted = await predictedAndCharged(chain, client, mint, figures);
      return {
        figures,
        bars: predicted.bars,
        tables: [
          {
            title: "Data of a payment, N payers → 1 payee",
            columns: [
              "payments",
              "way",
              "bytes signed",
              "bytes after compression",
              ...LEVELS.map(({ name }) => `data fee, ${name}, gwei`),
            ],
            rows,
            note: `Per payment. The fee is what receipts say was charged, with ${LEVELS.map(
              ({ name, inputs }) =>
                `an L1 base fee of ${Number(inputs.l1BaseFee) / 1e9} gwei and a blob base fee of ${Number(inputs.blobBaseFee) / 1e9} gwei (${name})`,
            ).join(", ")}, and Base's scalars. A transaction counts as at least 100 bytes.`,
          },
          predicted.table,
        ],
        charts: [
          {
            file: "data-bytes",
            title: "Data of a payment after compression, N payers → 1 payee",
            kind: "line",
            x: { name: "payments in a transaction" },
            y: { name: "bytes as the chain counts them", min: 80 },
            series: [WAY.single, WAY.multicall, WAY.tributary].map((way) => ({
              name: way,
              points: SIZES.map(
                (count) => [String(count), figures[`data bytes ${count} ${way}`] ?? Number.NaN] as const,
              ),
            })),
            floor: { name: "bytes that are noise", points: SIZES.map((count) => [String(count), FLOOR_DATA_BYTES]) },
          },
        ],
      };
    } finally {
      await chain.stop();
    }
  },
};

type Call = { readonly to: Address; readonly data: Hex; readonly gas: bigint };

function waysOf(
  { usdc, multicall3, router }: OpChain,
  payments: readonly SignedAuthorization[],
  seed: number,
): [string, Call[]][] {
  const single = (payment: SignedAuthorization): Call => ({
    to: usdc,
    data: encodeTransfer(payment, "vrs"),
    gas: 200_000n,
  });
  if (router === undefined) throw new Error("the chain has no router");
  const items = payments.map((authorization) => ({ form: "compact" as const, authorization }));
  const batchId = bytesFor(seed, "data batch", payments.length);
  const settle = encodeSettle({ token: usdc, batchId, gasAllowance: 100_000n, items });
  const lone = payments.slice(0, 1).map(single);
  return [
    [WAY.single, payments.slice(0, 10).map(single)],
    [WAY.multicall, [{ to: multicall3, data: encodeMulticall(usdc, payments), gas: 16_700_000n }]],
    [WAY.tributary, payments.length === 1 ? lone : [{ to: router, data: settle, gas: 16_700_000n }]],
  ];
}

/** Sends the calls at each level and reverts the chain afterwards. */
async function charge(chain: OpChain, client: ChainClient, calls: readonly Call[]) {
  const account = privateKeyToAccount(chain.accounts[19]!.privateKey);
  const feesWei = new Map<string, bigint>();
  let dataBytes = 0;
  let signedBytes = 0;
  for (const { name, inputs } of LEVELS) {
    const snapshot = await chain.request("evm_snapshot");
    await chain.setDataFee(inputs);
    let feeWei = 0n;
    [dataBytes, signedBytes] = [0, 0];
    for (const [nonce, call] of calls.entries()) {
      const raw = await account.signTransaction({
        ...call,
        type: "eip1559",
        chainId: client.chain.id,
        nonce,
        maxFeePerGas: 100_000_000n,
        maxPriorityFeePerGas: 1_000_000n,
      });
      const hash = await chain.request("eth_sendRawTransaction", [raw]);
      feeWei += await dataFeeOf(chain, hash);
      dataBytes += Number(estimateDataSize(raw)) / 1e6;
      signedBytes += (raw.length - 2) / 2;
    }
    feesWei.set(name, feeWei);
    await chain.request("evm_revert", [snapshot]);
  }
  return { feesWei, dataBytes, signedBytes };
}

async function dataFeeOf(chain: OpChain, hash: unknown): Promise<bigint> {
  const receipt: unknown = await chain.request("eth_getTransactionReceipt", [hash]);
  const fee: unknown = typeof receipt === "object" && receipt !== null ? Reflect.get(receipt, "l1Fee") : undefined;
  if (!isHex(fee)) throw new Error("a receipt without a data fee");
  return BigInt(fee);
}

async function holdBaseFee(chain: OpChain): Promise<void> {
  await chain.request("hardhat_setNextBlockBaseFeePerGas", [numberToHex(5_000_000)]);
}

/** The quote of a settlement, and the settlement. */
async function predictedAndCharged(
  chain: OpChain,
  client: ChainClient,
  mint: ReturnType<typeof openMint>,
  figures: Record<string, number>,
) {
  const account = privateKeyToAccount(chain.accounts[18]!.privateKey);
  const rows: (string | number)[][] = [];
  const bars = [];
  for (const [index, { name, inputs }] of LEVELS.entries()) {
    await chain.setDataFee(inputs);
    const payments = [];
    for (let i = 0; i < MOST; i += 1) {
      payments.push({ line: i + 1, authorization: mint.sign(10_000 * (index + 1) + i, { payer: i }) });
    }
    await holdBaseFee(chain);
    await chain.request("evm_mine");
    const quote = await quoteSettlement(client, { payments, sender: account.address, etherMicroUsd: 3_000_000_000n });
    await holdBaseFee(chain);
    const report = await settlePayments(client, { payments, senders: [account] });
    const price = quote.total?.price;
    if (price === undefined || report.stopped !== undefined) throw new Error("the payments did not settle");
    const charged = report.transactions.reduce(
      (sum, one) => ({ fee: sum.fee + one.feeWei, data: sum.data + one.dataFeeWei, gas: sum.gas + one.gasUsed }),
      { fee: 0n, data: 0n, gas: 0n },
    );
    const off = (predicted: bigint, real: bigint) => round((Math.abs(Number(predicted - real)) / Number(real)) * 100);
    const gas = quote.total?.gas ?? 0n;
    figures[`gas off ${name}`] = off(gas, charged.gas);
    figures[`data fee off ${name}`] = off(price.dataWei, charged.data);
    bars.push(atMost(`gas predicted of a settlement of ${MOST}, ${name}: error`, off(gas, charged.gas), 0.5, "%"));
    const perPayment = (wei: bigint) => round(Number(wei) / MOST / 1e9);
    rows.push(
      [name, "gas", Number(gas), Number(charged.gas), off(gas, charged.gas)],
      [
        name,
        "data fee, gwei a payment",
        perPayment(price.dataWei),
        perPayment(charged.data),
        off(price.dataWei, charged.data),
      ],
      [
        name,
        "all, gwei a payment",
        perPayment(price.totalWei),
        perPayment(charged.fee),
        off(price.totalWei, charged.fee),
      ],
    );
  }
  return {
    bars,
    table: {
      title: `What \`plan\` says and what is charged, ${MOST} payments`,
      columns: ["data fee", "", "predicted", "charged", "off, %"],
      rows,
      note: "The base fee of the next block is that of the quote; in the field it may differ by an eighth for each block.",
    },
  };
}
