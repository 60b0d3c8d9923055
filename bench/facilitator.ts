// What the facilitator does under load, on a local chain with 2 s blocks, everything in this process but the HTTP clients'
// sockets: a lone settle, a burst of 50 payers, and a sustained load. Prints one line of JSON.
//
//   node bench/facilitator.ts [--rate 100] [--seconds 60] [--reference]
//
// --reference runs the same burst through the official ExactEvmScheme, one transaction for each payment, beside it.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import { getRequestListener } from "@hono/node-server";
import { x402Facilitator } from "@x402/core/facilitator";
import { toFacilitatorEvmSigner } from "@x402/evm";
import { ExactEvmScheme } from "@x402/evm/exact/facilitator";
import { Hono } from "hono";
import { createWalletClient, http, nonceManager, publicActions } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { authorize, bodyV2, openFacilitatorLab, payerOf, post } from "../test/helpers/facilitator.ts";

const { values } = parseArgs({
  options: {
    rate: { type: "string", default: "100" },
    seconds: { type: "string", default: "60" },
    reference: { type: "boolean", default: false },
  },
});
const rate = Number(values.rate);
const seconds = Number(values.seconds);
const BURST = 50;
const LONE = 10;

type Sample = { readonly ms: number; readonly success: boolean; readonly reason: unknown };

const lab = await openFacilitatorLab();
const ours = await lab.serve();
const payers = Array.from({ length: BURST }, (_, index) => payerOf(20_000 + index));
await lab.fundAll(
  payers.map(({ address }) => address),
  10n ** 12n,
);

const settle = async (url: string, payer: PrivateKeyAccount): Promise<Sample> => {
  const body = bodyV2(await authorize(payer));
  const startedMs = performance.now();
  const { body: answer, status } = await post(`${url}/settle`, body);
  const reason = answer.success === true ? undefined : (answer.errorReason ?? status);
  return { ms: performance.now() - startedMs, success: answer.success === true, reason };
};
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function lone(url: string): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let i = 0; i < LONE; i += 1) {
    samples.push(await settle(url, payers[i]!));
    await pause(137);
  }
  return samples;
}
const burst = (url: string) => Promise.all(payers.map((payer) => settle(url, payer)));
async function sustained(url: string): Promise<Sample[]> {
  const running: Promise<Sample>[] = [];
  const startedMs = performance.now();
  for (let i = 0; i < rate * seconds; i += 1) {
    const waitMs = startedMs + (i * 1000) / rate - performance.now();
    if (waitMs > 1) await pause(waitMs);
    running.push(settle(url, payers[i % BURST]!));
  }
  return Promise.all(running);
}

/** Runs a load and sums it up, with the transactions and the gas of its sender. */
async function measure(sender: PrivateKeyAccount, load: () => Promise<Sample[]>) {
  const before = await lab.client.getTransactionCount({ address: sender.address });
  const fromBlock = await lab.client.getBlockNumber();
  const startedMs = performance.now();
  const samples = await load();
  const elapsedMs = performance.now() - startedMs;
  const transactions = (await lab.client.getTransactionCount({ address: sender.address })) - before;
  const gas = await gasOf(sender, fromBlock + 1n);
  const sorted = samples.map(({ ms }) => ms).sort((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  const good = samples.filter(({ success }) => success).length;
  const failures: Record<string, number> = {};
  for (const { success, reason } of samples) {
    if (!success) failures[String(reason)] = (failures[String(reason)] ?? 0) + 1;
  }
  return {
    payments: samples.length,
    settled: good,
    failures,
    transactions,
    gasPerPayment: good === 0 ? null : Number(gas / BigInt(good)),
    p50Ms: at(0.5),
    p95Ms: at(0.95),
    p99Ms: at(0.99),
    elapsedMs: Math.round(elapsedMs),
  };
}

async function gasOf(sender: PrivateKeyAccount, from: bigint): Promise<bigint> {
  let sum = 0n;
  const to = await lab.client.getBlockNumber();
  for (let number = from; number <= to; number += 1n) {
    const { transactions } = await lab.client.getBlock({ blockNumber: number, includeTransactions: true });
    for (const { hash, from: account } of transactions) {
      if (account.toLowerCase() !== sender.address.toLowerCase()) continue;
      sum += (await lab.client.getTransactionReceipt({ hash })).gasUsed;
    }
  }
  return sum;
}

/** The official facilitator with the official scheme, as its documentation composes it, with viem's nonce manager. */
async function reference(): Promise<{ url: string; account: PrivateKeyAccount }> {
  const account = privateKeyToAccount(lab.chain.accounts[4]!.privateKey, { nonceManager });
  const wallet = createWalletClient({
    account,
    chain: lab.client.chain,
    transport: http(lab.chain.rpcUrl),
    pollingInterval: 200,
  }).extend(publicActions);
  // The packages type their signer looser than viem's client is.
  const signer = toFacilitatorEvmSigner({ ...wallet, address: account.address } as unknown as Parameters<
    typeof toFacilitatorEvmSigner
  >[0]);
  const facilitator = new x402Facilitator().register("eip155:84532", new ExactEvmScheme(signer));
  const app = new Hono();
  app.post("/settle", async (c) => {
    const { paymentPayload, paymentRequirements } = await c.req.json();
    return c.json(await facilitator.settle(paymentPayload, paymentRequirements));
  });
  const server = createServer(getRequestListener(app.fetch));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, account };
}

const report: Record<string, unknown> = {
  node: process.version,
  blockSeconds: 2,
  lone: await measure(ours.account, () => lone(ours.url)),
  burst: await measure(ours.account, () => burst(ours.url)),
};
if (values.reference) {
  const other = await reference();
  report.referenceBurst = await measure(other.account, () => burst(other.url));
}
if (seconds > 0) {
  report.sustained = { rate, seconds, ...(await measure(ours.account, () => sustained(ours.url))) };
}
console.log(JSON.stringify(report));
await lab.stop();
process.exit(0);
