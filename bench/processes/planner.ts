// Plans payments in its own process, so that its memory is the plan's: `node planner.ts COUNT SEED`, figures as one line of JSON.
// The payments are random bytes of the right shape, because the planner checks no signature.
import { createCipheriv, createHash } from "node:crypto";
import type { Address, Hex } from "viem";
import { type PlannablePayment, planBatches, tokenKey } from "../../src/batch/index.ts";
import { keepHeapSmall } from "../../src/cli/process/memory.ts";
import { CIRCLE_USDC_GAS, ROUTER_GAS } from "../../src/gas/index.ts";
import { networks } from "../../src/networks.ts";
import { peakMemoryMiB } from "../lib/peakMemory.ts";
import { valueFor } from "../lib/random.ts";

keepHeapSmall();
const count = Number(process.argv[2]);
const seed = process.argv[3] ?? "1";
const { chainId, usdc } = networks.baseSepolia;
const NOW = 2_000_000_000n;

const key = createHash("sha256").update(seed).digest();
const stream = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
/** The next bytes of a stream derived from the seed, as one flat string: a concatenated one would keep its parts in memory. */
const noise = (bytes: number): Hex => {
  const hex = stream.update(Buffer.alloc(bytes)).toString("hex");
  return Buffer.from(`0x${hex}`, "latin1").toString("latin1") as Hex;
};
const accounts = (number: number): Address[] => Array.from({ length: number }, () => noise(20));
// A tenth as many payers as payments, a hundredth as many payees.
const payers = accounts(Math.max(1, count / 10));
const payees = accounts(Math.max(1, count / 100));

const payments: PlannablePayment[] = [];
for (let i = 0; i < count; i += 1) {
  const nonce = noise(32);
  payments.push({
    chainId,
    token: usdc.address,
    from: payers[Number.parseInt(nonce.slice(2, 10), 16) % payers.length]!,
    to: payees[Number.parseInt(nonce.slice(10, 18), 16) % payees.length]!,
    value: valueFor(i),
    validAfter: NOW - 600n,
    validBefore: NOW + 300n + BigInt(i % 3_600),
    nonce,
    signature: Buffer.from(`${noise(64)}1b`, "latin1").toString("latin1") as Hex,
  });
}
const balances = new Map([...payers, ...payees].map((account) => [account.toLowerCase(), 10n ** 12n]));

// The floor: looking at every payment once.
const walkedAt = performance.now();
let sum = 0n;
for (const { value, validBefore } of payments) sum += value + validBefore;
const walkMs = performance.now() - walkedAt;

const before = process.memoryUsage().rss;
const startedAt = performance.now();
const plan = planBatches({
  payments,
  nowSeconds: NOW,
  routerAvailable: true,
  gasModel: { token: CIRCLE_USDC_GAS, router: ROUTER_GAS },
  balances: new Map([[tokenKey(chainId, usdc.address), balances]]),
});
const seconds = (performance.now() - startedAt) / 1000;
const planned = plan.batches.reduce((total, { items }) => total + items.length, 0);
if (planned !== count || sum === 0n) throw new Error(`${planned} of ${count} payments were planned`);
const gas = plan.batches.reduce((total, { predictedGas }) => {
  return total + (predictedGas.kind === "exact" ? predictedGas.gas : predictedGas.high);
}, 0n);
console.log(
  JSON.stringify({
    seconds,
    walkSeconds: walkMs / 1000,
    batches: plan.batches.length,
    gasPerPayment: Number(gas) / count,
    inputMiB: before / 2 ** 20,
    mostMiB: peakMemoryMiB(),
  }),
);
