// What the machine does by itself, so that bars can be ratios to it. Both figures belong to every run.
import { type Hex, numberToHex } from "viem";
import { z } from "zod";
import { recoverSigner } from "../../src/authorization/recover.ts";
import { hashAuthorization } from "../../src/authorization/typedData.ts";
import { ROUTER_ADDRESS } from "../../src/deployment.ts";
import { networks } from "../../src/networks.ts";
import { encodeSettle } from "../../src/router/index.ts";
import { openMint } from "./payments.ts";
import { bytesFor } from "./random.ts";
import { startRemoteChain } from "./remoteChain.ts";
import { round, type Section } from "./results.ts";
import { setBalances } from "./token.ts";

export type Machine = {
  /** u: the milliseconds in which libsecp256k1 recovers one signer. */
  readonly uMs: number;
  /** Payments a second that the chain's process mines if it does nothing else. */
  readonly chainPerSecond: number;
};

/**
 * The largest u, in milliseconds, of the machine on which bars of time were written when they were still absolute. Its runs
 * (bench/RESULTS.md from 8e62b58 to bbc6e74) checked 3,001 to 3,386 signatures a second, a tenth of which was for digests.
 * Because it is the largest, no bar became easier on that machine.
 */
const FIRST_U_MS = 0.3;

/** A bar that was absolute, in u. */
export function inU(milliseconds: number): number {
  return round(milliseconds / FIRST_U_MS);
}

/** u is the median of so many rounds. Another program slows down some of them, but not most. */
const ROUNDS = 9;
const RECOVERIES = 300;
/** The chain's rate is that of the median batch. The first one compiles code and does not count. */
const BATCHES = 9;
const PER_BATCH = 300;
const receipt = z.object({ status: z.literal("0x1"), logs: z.array(z.unknown()) });

export async function measureMachine(seed: number): Promise<Machine> {
  return { uMs: await measureRecovery(seed), chainPerSecond: await measureChain(seed) };
}

/** u: one recovery of a signer from digest and signature, in milliseconds. The digest is made beforehand. */
export async function measureRecovery(seed: number): Promise<number> {
  const mint = openMint(seed, "recovery");
  const signed = mint.payments({ count: RECOVERIES, payers: RECOVERIES, payees: 1 }).map((payment) => ({
    digest: hashAuthorization(payment, networks.baseSepolia.usdc),
    signature: payment.signature,
    signer: payment.from.toLowerCase(),
  }));
  const times: number[] = [];
  for (let i = 0; i <= ROUNDS; i += 1) {
    const startedAt = performance.now();
    for (const { digest, signature, signer } of signed) {
      if ((await recoverSigner(digest, signature)) !== signer) throw new Error("another signer was recovered");
    }
    times.push((performance.now() - startedAt) / RECOVERIES);
  }
  return median(times.slice(1));
}

/** Hands batches of 300 payments to a chain that mines at once, one after the other. */
export async function measureChain(seed: number): Promise<number> {
  const chain = await startRemoteChain(0);
  try {
    const mint = openMint(seed, "machine");
    const shape = { count: PER_BATCH * (BATCHES + 1), payers: PER_BATCH * 2, payees: 1 };
    const payments = mint.payments(shape);
    await setBalances(chain.request, mint.parties(shape), 10n ** 12n);
    const { usdc } = networks.baseSepolia;
    const times: number[] = [];
    for (let i = 0; i <= BATCHES; i += 1) {
      const items = payments.slice(i * PER_BATCH, (i + 1) * PER_BATCH).map((authorization) => {
        return { form: "compact" as const, authorization };
      });
      const data = encodeSettle({
        token: usdc.address,
        batchId: bytesFor(seed, "machine", i),
        gasAllowance: 100_000n,
        items,
      });
      const call = { from: chain.accounts[0]!.address, to: ROUTER_ADDRESS, data, gas: numberToHex(2n ** 24n) };
      const startedAt = performance.now();
      const hash = (await chain.request("eth_sendTransaction", [call])) as Hex;
      times.push(performance.now() - startedAt);
      const { logs } = receipt.parse(await chain.request("eth_getTransactionReceipt", [hash]));
      if (logs.length < 2 * PER_BATCH) throw new Error("the chain settled less than a batch");
    }
    return (PER_BATCH * 1_000) / median(times.slice(1));
  } finally {
    await chain.stop();
  }
}

/** What to say of the machine. `uAtEndMs`: u, measured again when all else was. */
export function machineSection({ uMs, chainPerSecond }: Machine, uAtEndMs: number, seconds: number): Section {
  const figures = {
    "u, ms": round(uMs),
    "u at the end, ms": round(uAtEndMs),
    "chain alone, payments/s": Math.round(chainPerSecond),
  };
  return {
    subject: "machine",
    title: "The machine",
    seconds,
    bars: [],
    charts: [],
    figures,
    tables: [
      {
        title: "What bars are ratios to",
        columns: ["u at the start, ms", "u at the end, ms", "the chain alone, payments/s"],
        rows: [Object.values(figures)],
        note:
          "u is the recovery of one signer by libsecp256k1, in one core: the median of several rounds. Bars take that of the start; if " +
          "the one at the end differs by much, something else was running. The chain alone is the rate at which its process mines " +
          "batches of 300 payments of distinct payers, handed to it one after the other: that of the median batch.",
      },
    ],
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
